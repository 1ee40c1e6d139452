from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from sensorium.errors import PayloadError
from sensorium_plugins.tasks import Classification, MultiLabel, Regression


def classification(**config):
    return Classification(Classification.Config(**{"labels": ["a", "b", "c"], **config}))


def test_classification_gives_the_most_probable_label_with_every_score():
    task = classification()
    row = task.activate(np.array([[0.0, 2.0, 1.0]]))[0]
    result = task.result(row)
    assert result.label == "b"
    assert result.score == result.scores["b"] == pytest.approx(0.6652, abs=1e-4)
    assert sum(result.scores.values()) == pytest.approx(1.0)


def test_scores_stay_finite_for_extreme_logits():
    logits = np.array([[1e4, -1e4, 0.0]])
    assert classification().activate(logits).tolist() == [[1.0, 0.0, 0.0]]
    scores = MultiLabel(MultiLabel.Config(labels=["a", "b", "c"])).activate(logits)
    assert scores.tolist() == [[1.0, 0.0, 0.5]]
    assert scores.dtype == np.float32


def test_multi_label_takes_the_labels_at_or_above_its_threshold():
    task = MultiLabel(MultiLabel.Config(labels=["a", "b", "c"], threshold=0.6))
    result = task.result(np.array([0.9, 0.59, 0.6]))
    assert result.labels == ("a", "c")
    assert result.label is None
    assert result.scores == pytest.approx({"a": 0.9, "b": 0.59, "c": 0.6})


def test_regression_gives_values():
    task = Regression(Regression.Config(names=["x", "y"]))
    assert task.size == 2
    assert task.result(task.activate(np.array([[1.5, -2.0]]))[0]).values == (1.5, -2.0)


def test_targets_become_rows():
    assert classification().target("b").tolist() == [0, 1, 0]
    multi = MultiLabel(MultiLabel.Config(labels=["a", "b"]))
    assert multi.target(["b"]).tolist() == [0, 1]
    assert multi.target([]).tolist() == [0, 0]
    assert Regression(Regression.Config()).target(3).tolist() == [3.0]
    named = Regression(Regression.Config(names=["x", "y"]))
    assert named.target({"y": 2, "x": 1}).tolist() == [1.0, 2.0]
    assert named.target([1, 2]).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("task", "value", "message"),
    [
        (classification(), "z", "none of the task's labels 'a', 'b', 'c'"),
        (classification(), 1, "a label as text, not int"),
        (MultiLabel(MultiLabel.Config(labels=["a"])), "a", "a list of labels, not str"),
        (MultiLabel(MultiLabel.Config(labels=["a"])), ["b"], "none of the task's labels 'a'"),
        (Regression(Regression.Config()), "3", "a number, not str"),
        (Regression(Regression.Config()), True, "a number, not bool"),
        (Regression(Regression.Config()), float("nan"), "not finite"),
        (Regression(Regression.Config(size=2)), [1.0], "has 1 values, the task 2"),
        (Regression(Regression.Config(names=["x"])), {"y": 1}, r"the keys \['x'\]"),
    ],
)
def test_a_wrong_target_is_refused_with_the_reason(task, value, message):
    with pytest.raises(PayloadError, match=message):
        task.target(value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"labels": ["a"]}, "at least 2"),
        ({"labels": ["a", "b", "a"]}, "'a' named twice"),
        ({"labels": ["a", ""]}, "a label is empty"),
        ({"labels": ["a", "b"], "class_weights": {"c": 1.0}}, "class_weights names 'c'"),
        ({"labels": ["a", "b"], "typo": 1}, "Extra inputs"),
    ],
)
def test_a_wrong_configuration_is_refused(config, message):
    with pytest.raises(ValidationError, match=message):
        Classification.Config(**config)


def test_size_and_names_of_a_regression_must_agree():
    with pytest.raises(ValidationError, match="size is 3 but there are 2 names; drop size"):
        Regression.Config(size=3, names=["x", "y"])


ALL = [
    classification(class_weights={"b": 3.0}),
    MultiLabel(MultiLabel.Config(labels=["a", "b", "c"])),
    Regression(Regression.Config(size=3, scale=10.0)),
]


@pytest.mark.torch
@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_rows_without_a_target_do_not_count_in_the_loss(task):
    torch = pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")
    logits = torch.tensor([[0.3, -1.0, 2.0], [1.0, 1.0, -1.0]], requires_grad=True)
    targets = torch.tensor([[0.0, 1.0, 0.0], [float("nan")] * 3], dtype=torch.float64)
    loss = task.loss(logits, targets)
    loss.backward()
    assert loss.item() == pytest.approx(task.loss(logits[:1], targets[:1]).item())
    assert logits.grad[1].tolist() == [0, 0, 0]
    assert torch.isfinite(logits.grad).all()
    nothing = task.loss(logits, torch.full((2, 3), float("nan")))
    assert nothing.item() == 0


@pytest.mark.torch
def test_class_weights_say_what_an_example_counts():
    torch = pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")
    logits = torch.tensor([[2.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    alone = [classification().loss(logits[i : i + 1], targets[i : i + 1]).item() for i in (0, 1)]
    weighted = classification(class_weights={"b": 3.0}).loss(logits, targets).item()
    assert weighted == pytest.approx((alone[0] + 3 * alone[1]) / 4)


@pytest.mark.torch
def test_a_rare_label_may_count_more():
    torch = pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")
    logits = torch.zeros(1, 2)
    plain = MultiLabel(MultiLabel.Config(labels=["a", "b"]))
    rare = MultiLabel(MultiLabel.Config(labels=["a", "b"], positive_weights={"a": 5.0}))
    with_a, without = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]])
    assert rare.loss(logits, with_a) == pytest.approx(3 * float(plain.loss(logits, with_a)))
    assert rare.loss(logits, without) == pytest.approx(float(plain.loss(logits, without)))
    with pytest.raises(ValidationError, match="positive_weights names 'c'"):
        MultiLabel.Config(labels=["a"], positive_weights={"c": 2.0})
