"""Training `concat` with scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from sensorium.errors import PluginError
from sensorium.plugin import FusionFittable, Task
from sensorium_plugins.fusions import Concat
from sensorium_plugins.tasks import Classification, MultiLabel

pytest.importorskip("sklearn", reason="needs pip install 'sensorium[train]'")


def ignore(done, total, word):
    pass


@pytest.fixture(params=[[], [16]], ids=["linear", "hidden"])
def hidden(request):
    return request.param


@pytest.fixture
def fit(streams, tasks, hidden):
    def run(data, present=None, tasks=tasks, seed=0, progress=ignore, **config):
        fusion = Concat(Concat.Config(**{"hidden": hidden, "alpha": 0.1, **config}), streams, tasks)
        assert isinstance(fusion, FusionFittable)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fusion.load(
                "cpu",
                fusion.fit(
                    present or data.present(),
                    data.features,
                    data.targets,
                    seed=seed,
                    progress=progress,
                ),
            )
        return fusion

    return run


def test_it_learns_all_tasks_at_once(fit, problem):
    seen = []
    fusion = fit(problem(), progress=lambda *step: seen.append(step))
    data = problem(items=60, seed=1)
    outputs = fusion.fuse(data.present(), **data.features)
    assert (outputs["kind"].scores.argmax(axis=1) == data.kind).mean() > 0.9
    assert ((outputs["tags"].scores > 0.5) == data.targets["tags"]).mean() > 0.9
    assert np.sqrt(np.square(outputs["level"].values[:, 0] - data.level).mean()) < 25
    assert seen == [
        (1, 3, "kind: 120 items"),
        (2, 3, "tags: 120 items"),
        (3, 3, "level: 120 items"),
    ]


def test_the_scores_are_those_of_scikit_learn(streams, problem):
    from sklearn.linear_model import LogisticRegression

    data, task = problem(), Classification(Classification.Config(labels=["a", "b", "c"]))
    fusion = Concat(Concat.Config(alpha=2.0), {"left": streams["left"]}, {"kind": task})
    there = {"left": np.ones(120, bool)}
    left = {"left": data.features["left"]}
    fusion.load("cpu", fusion.fit(there, left, data.targets, seed=0, progress=ignore))
    inputs = left["left"].data.astype(np.float64)
    inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    expected = LogisticRegression(C=0.5).fit(inputs, data.kind).predict_proba(inputs)
    np.testing.assert_allclose(fusion.fuse(there, **left)["kind"].scores, expected, atol=1e-3)


def test_training_is_reproducible(fit, problem):
    data = problem()
    first, second = (fit(data, seed=3).fuse(data.present(), **data.features) for _ in range(2))
    assert first["kind"].scores.tobytes() == second["kind"].scores.tobytes()


def test_without_absence_in_training_an_absent_stream_is_its_mean(fit, problem):
    data = problem()
    fusion = fit(data)
    absent = fusion.fuse(data.present(left=False), **data.shown(left=False))
    data.features["left"].data[:] = data.features["left"].data.mean(axis=0)
    at_mean = fusion.fuse(data.present(), **data.features)
    np.testing.assert_allclose(absent["kind"].scores, at_mean["kind"].scores, atol=1e-4)


def test_with_nothing_present_it_gives_the_frequencies_of_training(fit, problem):
    data = problem(items=300)
    # Half of the items without any stream: they count for the frequencies alone.
    there = {name: np.arange(300) % 2 == 0 for name in data.features}
    outputs = fit(data, there).fuse(
        data.present(left=False, right=False), **data.shown(left=False, right=False)
    )
    assert outputs["kind"].scores[0] == pytest.approx(data.targets["kind"].mean(axis=0), abs=0.01)
    assert outputs["tags"].scores[0] == pytest.approx(data.targets["tags"].mean(axis=0), abs=0.01)
    assert outputs["level"].values[0] == pytest.approx(data.level.mean(), rel=1e-4)


def test_a_stream_without_information_contributes_least(fit, problem):
    data = problem()
    data.features["left"].data[:] = np.random.default_rng(5).normal(size=(120, 4))
    outputs = fit(data, alpha=10.0).fuse(data.present(), **data.features)
    left, right = outputs["kind"].contribution.mean(axis=0)
    assert right > 2 * left


def test_contributions_can_be_left_out(fit, problem):
    data = problem()
    outputs = fit(data, contributions="none").fuse(data.present(), **data.features)
    assert outputs["kind"].contribution is None


@pytest.mark.parametrize("seen", [[0], [2], [0, 2]])
def test_labels_that_training_never_saw_are_improbable(fit, problem, seen):
    data = problem()
    rows = np.isin(data.kind, seen)
    data.targets["kind"][~rows] = np.nan
    scores = fit(data).fuse(data.present(), **data.features)["kind"].scores
    assert (scores[:, [label for label in range(3) if label not in seen]] < 0.01).all()
    assert (scores[rows].argmax(axis=1) == data.kind[rows]).mean() > 0.9


def test_a_label_that_every_item_has_is_likely(fit, problem):
    data = problem()
    data.targets["tags"][:] = [1, 0]
    data.targets["tags"][:60, 1] = 1
    scores = fit(data).fuse(data.present(), **data.features)["tags"].scores
    assert (scores[:, 0] > 0.8).all()


@pytest.mark.parametrize("constant", [False, True])
def test_a_single_label_is_learned(fit, problem, constant):
    data = problem()
    data.targets["tags"] = (
        data.targets["tags"][:, :1] * 0 + 1 if constant else data.targets["tags"][:, :1]
    )
    task: dict[str, Task] = {"tags": MultiLabel(MultiLabel.Config(labels=["x"]))}
    scores = fit(data, tasks=task).fuse(data.present(), **data.features)["tags"].scores
    assert ((scores > 0.5) == data.targets["tags"]).mean() > 0.9


def test_class_weights_raise_a_labels_scores(fit, problem):
    data = problem()
    data.features["left"].data[:] = 0
    data.features["right"].data[:] = np.random.default_rng(0).normal(size=(120, 5, 3))
    means = []
    for weights in ({}, {"c": 20.0}):
        config = Classification.Config(labels=["a", "b", "c"], class_weights=weights)
        fusion = fit(data, tasks={"kind": Classification(config)}, alpha=50.0)
        means.append(fusion.fuse(data.present(), **data.features)["kind"].scores[:, 2].mean())
    assert means[1] > means[0] + 0.2


def test_a_task_without_targets_is_refused(fit, problem):
    data = problem()
    data.targets["kind"][:] = np.nan
    with pytest.raises(PluginError, match="task 'kind' has no target in the training split"):
        fit(data)


def test_a_type_of_task_that_it_cannot_train_is_refused(fit, problem):
    class Ranking(Task):
        name = "ranking"
        size = 3

        def activate(self, logits):
            return logits

        def result(self, activated):
            from sensorium.events import TaskResult

            return TaskResult(values=tuple(activated))

        def target(self, value):
            return np.zeros(3)

        def loss(self, logits, targets):
            return (logits - targets).square().mean()

    with pytest.raises(PluginError, match="a task of type 'ranking' trains with the fusion 'mean'"):
        fit(problem(), tasks={"kind": Ranking(None)})


def test_weights_survive_a_checkpoint(fit, streams, tasks, hidden, problem):
    from safetensors.numpy import load, save

    data = problem()
    fusion = Concat(Concat.Config(hidden=hidden), streams, tasks)
    weights = fusion.fit(data.present(), data.features, data.targets, seed=0, progress=ignore)
    scores = []
    for given in (weights, load(save(dict(weights)))):
        fusion.load("cpu", given)
        scores.append(fusion.fuse(data.present(), **data.features)["kind"].scores)
    assert scores[0].tobytes() == scores[1].tobytes()
