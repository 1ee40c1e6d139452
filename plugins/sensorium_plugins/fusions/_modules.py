"""The fusions in torch. Imports torch, so it is imported only where one is trained or run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import torch
from torch import nn

from sensorium.plugin import FeatureSpec, Task
from sensorium_plugins.fusions._heads import gives_values
from sensorium_plugins.fusions._inputs import CUT, LEAST_VARIANCE

__all__ = ["ConcatModule", "FusionModule", "GatedModule", "HeadModule", "StreamInput", "Tensors"]

#: Rows that the running statistics rest on at most, so that they follow an encoder that trains.
_MEMORY: Final = 10_000.0

Tensors = Mapping[str, torch.Tensor]


class StreamInput(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """Standardises one stream's features by running statistics of the rows that are present.

    In training the statistics follow the batches, and the batch is standardised by them, not by
    its own: what is trained is what will run.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("location", torch.zeros(dim))
        self.register_buffer("variance", torch.ones(dim))
        self.register_buffer("count", torch.zeros(()))

    def forward(
        self, data: torch.Tensor, present: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Give (batch, dim): sequences averaged, rows that are not present zero."""
        if data.dim() == 3:
            steps = data.new_ones(data.shape[:2]) if mask is None else mask.to(data.dtype)
            data = (data * steps[..., None]).sum(1) / steps.sum(1, keepdim=True).clamp(min=1.0)
        return self._standardised(data, present)

    def steps(
        self, data: torch.Tensor, present: torch.Tensor, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give (batch, time, dim) and which steps are there: a vector is a sequence of one."""
        if data.dim() == 2:
            data = data[:, None]
        there = present[:, None].expand(data.shape[:2])
        if mask is not None:
            there = there & mask
        return self._standardised(data, there), there

    def _standardised(self, data: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        if self.training:
            self._follow(data.detach()[there])
        scale = torch.where(
            self.variance > LEAST_VARIANCE, self.variance, torch.ones_like(self.variance)
        ).sqrt()
        centred = ((data - self.location) / scale).clamp(-CUT, CUT)
        return torch.where(there[..., None], centred, torch.zeros_like(centred))

    def _follow(self, rows: torch.Tensor) -> None:
        if not len(rows):
            return
        # Two samples merged (Chan, Golub and LeVeque 1979).
        old = self.count.clamp(max=_MEMORY)
        total = old + len(rows)
        shift = rows.mean(dim=0) - self.location
        squares = self.variance * old + rows.var(dim=0, correction=0) * len(rows)
        self.variance.copy_((squares + shift.square() * old * len(rows) / total) / total)
        self.location.add_(shift * len(rows) / total)
        self.count.copy_(total)


class HeadModule(nn.Module):  # type: ignore[misc]
    """A perceptron with a prior for rows without any stream, and values in the targets' units."""

    def __init__(self, task: Task, sizes: Sequence[int], dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([*sizes, task.size]))
        self.dropout = nn.Dropout(dropout)
        self.prior = nn.Parameter(torch.zeros(task.size))
        self.values = gives_values(task)
        if self.values:
            self.register_buffer("location", torch.zeros(task.size))
            self.register_buffer("scale", torch.ones(task.size))

    def forward(self, inputs: torch.Tensor, someone: torch.Tensor) -> torch.Tensor:
        """Raw outputs, (batch, size)."""
        return self.finish(self.raw(inputs), someone)

    def raw(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the layers give, standardised where the task has units."""
        hidden = inputs
        for layer in self.layers[:-1]:
            hidden = self.dropout(torch.relu(layer(hidden)))
        return self.layers[-1](hidden)

    def finish(self, raw: torch.Tensor, someone: torch.Tensor) -> torch.Tensor:
        """The prior where there is no stream, and values in the targets' units."""
        logits = torch.where(someone[:, None], raw, self.prior)
        return logits * self.scale + self.location if self.values else logits


class FusionModule(nn.Module):  # type: ignore[misc]
    """Inputs per stream and heads per task; the prefixes keep names off those of torch's own."""

    def __init__(self, features: Mapping[str, FeatureSpec], tasks: Mapping[str, Task]) -> None:
        super().__init__()
        self.stream_names = list(features)
        self.task_names = list(tasks)
        for name, spec in features.items():
            self.add_module(f"stream_{name}", StreamInput(spec.dim))

    def inputs(
        self, present: Tensors, features: Tensors, masks: Tensors | None
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Per stream its standardised vectors; and presence, bool of shape (batch, streams)."""
        blocks = [
            getattr(self, f"stream_{name}")(features[name], present[name], (masks or {}).get(name))
            for name in self.stream_names
        ]
        return blocks, torch.stack([present[name] for name in self.stream_names], dim=1)

    def forward(
        self, present: Tensors, features: Tensors, masks: Tensors | None = None
    ) -> dict[str, torch.Tensor]:
        """Per task, raw outputs of shape (batch, size)."""
        logits: dict[str, torch.Tensor] = self.with_shares(present, features, masks)[0]
        return logits

    def heads(self, hidden: torch.Tensor, someone: torch.Tensor) -> dict[str, torch.Tensor]:
        """Per task, its raw outputs."""
        return {name: getattr(self, f"task_{name}")(hidden, someone) for name in self.task_names}


class ConcatModule(FusionModule):
    """`concat` in torch."""

    def __init__(
        self, features: Mapping[str, FeatureSpec], tasks: Mapping[str, Task], sizes: Sequence[int]
    ) -> None:
        super().__init__(features, tasks)
        for name, task in tasks.items():
            self.add_module(f"task_{name}", HeadModule(task, sizes))

    def forward(
        self, present: Tensors, features: Tensors, masks: Tensors | None = None
    ) -> dict[str, torch.Tensor]:
        """Per task, raw outputs of shape (batch, size)."""
        blocks, there = self.inputs(present, features, masks)
        absent = (~there).to(blocks[0].dtype)
        return self.heads(torch.cat([*blocks, absent], dim=1), there.any(dim=1))


class GatedModule(FusionModule):
    """`gated` in torch."""

    def __init__(
        self,
        features: Mapping[str, FeatureSpec],
        tasks: Mapping[str, Task],
        dim: int,
        hidden: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__(features, tasks)
        for name, spec in features.items():
            self.add_module(f"project_{name}", nn.Linear(spec.dim, dim))
            self.add_module(f"norm_{name}", nn.LayerNorm(dim))
            self.add_module(f"gate_{name}", nn.Linear(dim, 1))
        for name, task in tasks.items():
            self.add_module(f"task_{name}", HeadModule(task, [dim, *hidden], dropout))
        self.dropout = nn.Dropout(dropout)

    def with_shares(
        self, present: Tensors, features: Tensors, masks: Tensors | None = None
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Raw outputs per task, and per task the gates: (batch, streams), 0 for what is absent."""
        blocks, there = self.inputs(present, features, masks)
        projected, scores = [], []
        for name, block in zip(self.stream_names, blocks, strict=True):
            linear, norm = getattr(self, f"project_{name}"), getattr(self, f"norm_{name}")
            vector = torch.nn.functional.gelu(norm(linear(block)))
            projected.append(vector)
            scores.append(getattr(self, f"gate_{name}")(vector)[:, 0])
        # A finite fill, so that a row with nothing present is zeros and not NaN.
        # Zero after the softmax, and within what 16-bit floats hold.
        open_only = torch.stack(scores, dim=1).masked_fill(~there, -1e4)
        gates = torch.softmax(open_only, dim=1) * there
        joined = (torch.stack(projected, dim=1) * gates[..., None]).sum(dim=1)
        logits = self.heads(self.dropout(joined), there.any(dim=1))
        return logits, dict.fromkeys(self.task_names, gates)
