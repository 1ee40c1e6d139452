"""The adversary: it has its part in training only, and streams become harder to tell apart."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium_plugins.fusions import Adversarial

pytestmark = pytest.mark.torch


def trained(torch, streams, tasks, data, strength):
    fusion = Adversarial(
        Adversarial.Config(dim=16, hidden=[8], dropout=0.0, strength=strength), streams, tasks
    )
    fusion.load("cpu", None)
    fusion.begin({name: data.targets[name] for name in tasks})
    module = fusion.module().train()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    present = {name: torch.tensor(it) for name, it in data.present().items()}
    features = {name: torch.tensor(it.data) for name, it in data.features.items()}
    masks = {"right": torch.tensor(data.mask)}
    wanted = {
        name: torch.tensor(np.float32(it)) for name, it in data.targets.items() if name in tasks
    }
    for _ in range(100):
        logits = module(present, features, masks)
        loss = sum(task.loss(logits[name], wanted[name]) for name, task in tasks.items())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        guess = float(module._adversary_loss(*_shared(torch, module, present, features, masks)))
    return fusion, guess


def _shared(torch, module, present, features, masks):
    module.eval()
    blocks, there = module.inputs(present, features, masks)
    projected = [
        torch.nn.functional.gelu(module.norm(getattr(module, f"project_{name}")(block)))
        for name, block in zip(module.stream_names, blocks, strict=True)
    ]
    return torch.stack(projected, dim=1), there


def test_the_adversary_is_kept_from_telling_the_streams_apart(streams, tasks, problem):
    torch = pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")
    torch.manual_seed(0)
    data, kind = problem(items=90), {"kind": tasks["kind"]}
    _, free = trained(torch, streams, kind, data, strength=0.0)
    fusion, held = trained(torch, streams, kind, data, strength=3.0)
    assert free < 0.05  # it tells them apart
    assert held > 0.2  # by chance it were 0.69
    outputs = fusion.fuse(data.present(), **data.features)
    assert (outputs["kind"].scores.argmax(axis=1) == data.kind).mean() > 0.8
