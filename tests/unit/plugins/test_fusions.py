"""What all fusions keep to, whichever pattern of presence they meet."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from sensorium.errors import PluginError
from sensorium.plugin import Features, FeatureSpec, Trainable
from sensorium_plugins._weights import from_module
from sensorium_plugins.fusions import (
    Adversarial,
    Concat,
    Gated,
    Late,
    Max,
    Mean,
    Transformer,
    Weighted,
)
from sensorium_plugins.fusions._inputs import vectors

KINDS = [
    pytest.param((Concat, {}), id="concat"),
    pytest.param((Concat, {"hidden": [8]}), id="concat-hidden"),
    pytest.param((Mean, {"dim": 16, "dropout": 0.0}), id="mean"),
    pytest.param((Gated, {"dim": 16, "hidden": [8], "dropout": 0.0}), id="gated"),
    pytest.param((Max, {"dim": 16, "dropout": 0.0}), id="max"),
    pytest.param((Weighted, {"dim": 16, "dropout": 0.0}), id="weighted-learned"),
    pytest.param(
        (Weighted, {"dim": 16, "dropout": 0.0, "weights": {"left": 3.0}}), id="weighted-fixed"
    ),
    pytest.param((Adversarial, {"dim": 16, "hidden": [8], "dropout": 0.0}), id="adversarial"),
    pytest.param((Late, {"hidden": [8], "dropout": 0.0}), id="late"),
    pytest.param(
        (Transformer, {"dim": 16, "heads": 2, "layers": 1, "dropout": 0.0}), id="transformer"
    ),
]


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")


@pytest.fixture(params=KINDS)
def build(request, streams, tasks, torch):
    plugin, config = request.param

    def make(streams=streams, tasks=tasks):
        own = dict(config)
        if "weights" in own:
            own["weights"] = {next(iter(streams)): 3.0}
        return plugin(plugin.Config(**own), streams, tasks)

    return make


@pytest.fixture
def fusion(build):
    fusion = build()
    fusion.load("cpu", None)
    return fusion


def train(torch, fusion, problem, steps=100):
    """Train by gradient, each stream dropped from a share of the items, and load the result."""
    fusion.begin(problem.targets)
    module = fusion.module().train()
    optimiser = torch.optim.Adam(module.parameters(), lr=0.05)
    torch.manual_seed(0)
    features = {name: torch.tensor(given.data) for name, given in problem.features.items()}
    masks = {"right": torch.tensor(problem.mask)}
    for _ in range(steps):
        there = {name: torch.rand(len(given)) > 0.2 for name, given in features.items()}
        logits = module(there, features, masks)
        loss = sum(
            task.loss(logits[name], torch.tensor(problem.targets[name]))
            / (50.0**2 if name == "level" else 1)
            for name, task in fusion.tasks.items()
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    fusion.load("cpu", from_module(module.eval()))
    return fusion


def test_every_pattern_of_presence_gets_an_answer(fusion, problem):
    data = problem(items=6)
    for left, right in product([True, False], repeat=2):
        there = {"left": left, "right": right}
        outputs = fusion.fuse(data.present(**there), **data.shown(**there))
        assert list(outputs) == ["kind", "tags", "level"]
        assert outputs["kind"].scores.sum(axis=1) == pytest.approx(np.ones(6), abs=1e-6)
        assert ((outputs["tags"].scores >= 0) & (outputs["tags"].scores <= 1)).all()
        assert np.isfinite(outputs["level"].values).all()
        assert outputs["level"].values.shape == (6, 1)
        assert outputs["level"].scores is None
        for output in outputs.values():
            assert output.contribution.shape == (6, 2)
            assert output.contribution.sum(axis=1) == pytest.approx(
                np.full(6, float(left or right)), abs=1e-6
            )
            assert (output.contribution[:, [not left, not right]] == 0).all()


def test_a_row_does_not_depend_on_the_rest_of_its_batch(fusion, problem):
    data = problem(items=5)
    present = {"left": np.array([1, 1, 0, 0, 1], bool), "right": np.array([1, 0, 1, 0, 1], bool)}
    together = fusion.fuse(present, **data.features)
    for row in range(5):
        only = slice(row, row + 1)
        alone = fusion.fuse(
            {name: there[only] for name, there in present.items()},
            left=Features(data.features["left"].data[only]),
            right=Features(data.features["right"].data[only], data.mask[only]),
        )
        for name in together:
            for part in ("scores", "values", "contribution"):
                whole = getattr(together[name], part)
                if whole is not None:
                    np.testing.assert_allclose(getattr(alone[name], part)[0], whole[row], atol=1e-5)


def test_what_an_absent_stream_holds_changes_nothing(fusion, problem):
    data = problem(items=4)
    zeros = fusion.fuse(data.present(left=False), **data.shown(left=False))
    junk = fusion.fuse(data.present(left=False), **data.features)
    np.testing.assert_array_equal(zeros["kind"].scores, junk["kind"].scores)


def test_an_empty_batch_gives_empty_outputs(fusion, problem):
    data = problem(items=0)
    outputs = fusion.fuse(data.present(), **data.features)
    assert outputs["kind"].scores.shape == (0, 3)


@pytest.mark.torch
def test_it_trains_by_gradient_and_answers_with_either_stream(torch, build, problem):
    fusion = build()
    assert isinstance(fusion, Trainable)
    train(torch, fusion, problem(items=150))
    data = problem(items=60, seed=1)
    for there in ({}, {"left": False}, {"right": False}):
        outputs = fusion.fuse(data.present(**there), **data.shown(**there))
        assert (outputs["kind"].scores.argmax(axis=1) == data.kind).mean() > 0.8
        assert ((outputs["tags"].scores > 0.5) == data.targets["tags"]).mean() > 0.8
        # The targets spread by 41 around 550; the values come in their units.
        assert np.sqrt(np.square(outputs["level"].values[:, 0] - data.level).mean()) < 30


@pytest.mark.torch
def test_numpy_and_torch_give_the_same(torch, build, problem):
    fusion, data = build(), problem(items=40)
    train(torch, fusion, data, steps=10)
    present = {"left": np.arange(40) % 3 > 0, "right": np.arange(40) % 4 > 1}
    with torch.no_grad():
        logits = fusion.module().eval()(
            {name: torch.tensor(there) for name, there in present.items()},
            {name: torch.tensor(given.data) for name, given in data.features.items()},
            {"right": torch.tensor(data.mask)},
        )
    outputs = fusion.fuse(present, **data.features)
    for name, output in outputs.items():
        given = output.values if output.scores is None else output.scores
        expected = fusion.tasks[name].activate(logits[name].numpy())
        np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)


def test_before_training_begins_nothing_present_gives_the_frequencies(build, problem):
    fusion, data = build(), problem(items=200)
    data.targets["kind"][:50] = [0, 1, 0]
    data.targets["kind"][50:60] = np.nan
    fusion.load("cpu", None)
    fusion.begin(data.targets)
    outputs = fusion.fuse(
        data.present(left=False, right=False), **data.shown(left=False, right=False)
    )
    known = data.targets["kind"][~np.isnan(data.targets["kind"][:, 0])]
    assert outputs["kind"].scores[0] == pytest.approx(known.mean(axis=0), abs=0.01)
    assert outputs["tags"].scores[0] == pytest.approx(data.targets["tags"].mean(axis=0), abs=0.01)
    assert outputs["level"].values[0] == pytest.approx(data.level.mean(), rel=1e-4)


def test_a_fresh_model_is_the_same_every_time(build, problem):
    data = problem(items=3)
    scores = []
    for _ in range(2):
        fusion = build()
        fusion.load("cpu", None)
        scores.append(fusion.fuse(data.present(), **data.features)["kind"].scores)
    assert scores[0].tobytes() == scores[1].tobytes()


@pytest.mark.torch
def test_streams_may_have_any_name(torch, tasks, build, problem):
    fusion = build(
        streams=dict(zip(["training", "my-stream"], build().features.values(), strict=True))
    )
    data = problem(items=3)
    fusion.load("cpu", from_module(fusion.module()))
    renamed = dict(zip(fusion.features, data.features.values(), strict=True))
    there = dict.fromkeys(fusion.features, np.ones(3, bool))
    assert fusion.fuse(there, **renamed)["kind"].scores.shape == (3, 3)


@pytest.mark.torch
def test_weights_that_do_not_fit_are_refused_by_name(build, streams, tasks):
    weights = from_module(build().module())
    other = build(streams={"left": streams["left"], "third": streams["right"]})
    with pytest.raises(PluginError, match=r"stream_third\.location is missing.*train it again"):
        other.load("cpu", weights)
    weights["task_kind.prior"] = np.full(3, np.nan, dtype=np.float32)
    with pytest.raises(PluginError, match=r"task_kind\.prior holds a number that is not finite"):
        build().load("cpu", weights)


def test_sequences_are_averaged_over_the_steps_that_are_there():
    data = np.array([[[1.0], [3.0], [99.0]], [[5.0], [5.0], [5.0]]], dtype=np.float32)
    mask = np.array([[True, True, False], [False, False, False]])
    assert vectors(Features(data, mask)).tolist() == [[2.0], [0.0]]
    assert vectors(Features(data[:1, :2])).tolist() == [[2.0]]


def test_fixed_weights_are_those_of_the_pipeline_file(tasks):
    features = {"left": FeatureSpec(dim=2), "right": FeatureSpec(dim=2)}
    kind = {"kind": tasks["kind"]}

    def scores(plugin, config, **there):
        fusion = plugin(plugin.Config(dim=4, **config), features, kind)
        fusion.load("cpu", None)
        data = Features(np.ones((1, 2), np.float32))
        present = {name: np.array([there.get(name, True)]) for name in features}
        return fusion.fuse(present, left=data, right=data)["kind"].scores

    mean = scores(Mean, {})
    np.testing.assert_allclose(scores(Weighted, {"weights": {"left": 1.0}}), mean, rtol=1e-5)
    heavy = scores(Weighted, {"weights": {"left": 1e6}})
    np.testing.assert_allclose(heavy, scores(Mean, {}, right=False), rtol=1e-4)
    with pytest.raises(PluginError, match=r"weights names 'up', which is no stream"):
        scores(Weighted, {"weights": {"up": 1.0}})


@pytest.mark.torch
def test_late_averages_the_probabilities_of_the_streams(torch, streams, tasks, problem):
    fusion = Late(Late.Config(), streams, tasks)
    fusion.load("cpu", None)
    data = problem(items=4)
    both = fusion.fuse(data.present(), **data.features)
    left = fusion.fuse(data.present(right=False), **data.shown(right=False))
    right = fusion.fuse(data.present(left=False), **data.shown(left=False))
    for task, part in (("kind", "scores"), ("tags", "scores"), ("level", "values")):
        alone = [getattr(output[task], part) for output in (left, right)]
        np.testing.assert_allclose(getattr(both[task], part), np.mean(alone, axis=0), rtol=1e-4)


@pytest.mark.torch
def test_a_transformer_sees_the_order_of_a_sequence(torch, streams, tasks, problem):
    fusion = Transformer(Transformer.Config(), streams, tasks)
    fusion.load("cpu", None)
    data = problem(items=2)
    backward = np.ascontiguousarray(data.features["right"].data[:, 3::-1])
    turned = {**data.features, "right": Features(backward, data.mask[:, :4])}
    forward = {**data.features, "right": Features(backward[:, ::-1].copy(), data.mask[:, :4])}
    one, other = (fusion.fuse(data.present(), **it)["kind"].scores for it in (forward, turned))
    assert not np.allclose(one, other, atol=1e-4)
