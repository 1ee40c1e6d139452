from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sensorium.plugin import Task
from sensorium.train import bootstrap_share, calibration_error, reliability, score

MakeTask = Callable[..., Task]


def test_a_classification_by_hand(make_task: MakeTask) -> None:
    task = make_task("one-of", "a", "b", "c")
    outputs = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    targets = np.eye(3)[[0, 1, 1, 2]]
    found = score(task, outputs, targets, ["k", "k", "l", "l"])
    assert found.kind == "classification"
    assert found.confusion == ((1, 0, 0), (1, 1, 0), (0, 0, 1))
    assert found.metrics["accuracy"] == 0.75
    assert found.metrics["precision"] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert found.metrics["recall"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert found.metrics["f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert found.metrics["roc_auc"] == pytest.approx(1.0)
    # Top scores .6 (two: one right), .7 (right), .8 (right).
    gap = 2 / 4 * abs(0.6 - 0.5) + 1 / 4 * 0.3 + 1 / 4 * 0.2
    assert found.metrics["ece"] == pytest.approx(gap)
    assert found.reasons == {}
    assert found.interval is not None


def test_an_undefined_metric_is_none_with_its_reason_and_not_zero(make_task: MakeTask) -> None:
    task = make_task("one-of", "a", "b", "c")
    outputs = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1]])
    found = score(task, outputs, np.eye(3)[[0, 1]], ["k", "k"])
    a, b, c = found.labels
    assert (a.precision, a.recall) == (0.5, 1.0)
    assert (b.precision, b.recall, b.f1) == (None, 0.0, 0.0)
    assert (c.precision, c.recall, c.f1, c.roc_auc) == (None, None, None, None)
    assert found.metrics["recall"] == pytest.approx(0.5)
    assert found.reasons["precision"] == "without b, c: never predicted"
    assert found.reasons["recall"] == "without c: no set has it"
    assert found.reasons["interval"] == "an interval needs at least two keys"
    assert found.interval is None


def test_one_class_alone_has_no_roc(make_task: MakeTask) -> None:
    task = make_task("one-of", "a", "b")
    found = score(task, np.array([[0.9, 0.1]] * 3), np.eye(2)[[0, 0, 0]], ["k", "l", "m"])
    assert found.metrics["roc_auc"] is None
    assert "no set has it, or every set has" in found.reasons["roc_auc"]
    assert found.curves == ()


def test_sets_without_a_target_do_not_count(make_task: MakeTask) -> None:
    task = make_task("one-of", "a", "b")
    outputs = np.array([[0.9, 0.1], [0.9, 0.1]])
    targets = np.array([[1.0, 0.0], [np.nan, np.nan]])
    found = score(task, outputs, targets, ["k", "l"])
    assert (found.count, found.metrics["accuracy"]) == (1, 1.0)


def test_nothing_to_compare_with_gives_no_figures_but_a_reason(make_task: MakeTask) -> None:
    found = score(make_task("amount"), np.zeros((1, 1)), np.full((1, 1), np.nan), ["k"])
    assert found.metrics == {"mae": None, "rmse": None, "r2": None}
    assert found.reasons["mae"] == "no set has a target"


def test_a_multi_label_task_by_hand(make_task: MakeTask) -> None:
    task = make_task("any-of", "x", "y")
    outputs = np.array([[0.9, 0.2], [0.4, 0.8], [0.6, 0.6], [0.1, 0.1]])
    targets = np.array([[1, 0], [1, 1], [1, 0], [0, 0]], dtype=float)
    found = score(task, outputs, targets, ["k", "k", "l", "l"])
    assert found.metrics["accuracy"] == 0.5
    assert found.metrics["hamming_loss"] == 0.25
    x, y = found.labels
    assert (x.precision, x.recall) == (1.0, pytest.approx(2 / 3))
    assert (y.precision, y.recall) == (0.5, 1.0)
    assert y.roc_auc == 1.0
    assert found.confusion is None
    assert sum(part.count for part in found.bins) == 8


def test_a_multi_label_task_of_one_label(make_task: MakeTask) -> None:
    task = make_task("any-of", "x")
    found = score(task, np.array([[0.9], [0.1]]), np.array([[1.0], [0.0]]), ["k", "l"])
    assert found.metrics["f1"] == 1.0
    assert found.labels[0].count == 1


def test_a_regression_by_hand(make_task: MakeTask) -> None:
    outputs, targets = np.array([[1.0], [2.0], [6.0]]), np.array([[1.0], [3.0], [5.0]])
    found = score(make_task("amount"), outputs, targets, ["k", "l", "m"])
    assert found.metrics["mae"] == pytest.approx(2 / 3)
    assert found.metrics["rmse"] == pytest.approx(np.sqrt(2 / 3))
    assert found.metrics["r2"] == pytest.approx(1 - 2 / 8)


def test_targets_that_do_not_vary_have_no_r2(make_task: MakeTask) -> None:
    found = score(make_task("amount"), np.ones((2, 1)), np.full((2, 1), 3.0), ["k", "l"])
    assert found.metrics["r2"] is None
    assert found.reasons["r2"] == "the targets do not vary"


def test_scores_that_mean_what_they_say_have_no_calibration_error() -> None:
    scores = np.array([0.5] * 4 + [1.0] * 3)
    right = np.array([True, False, True, False, True, True, True])
    bins = reliability(scores, right)
    assert calibration_error(bins) == 0.0
    assert [found.count for found in bins] == [0, 0, 0, 0, 4, 0, 0, 0, 0, 3]
    assert (bins[0].score, bins[0].share) == (None, None)


def test_no_predictions_have_no_calibration_error() -> None:
    assert calibration_error(reliability(np.zeros(0), np.zeros(0, dtype=bool))) is None


def test_the_interval_comes_from_keys_and_not_from_sets() -> None:
    # Two keys, one all right and one all wrong: however many sets, nothing is certain.
    right = np.array([True] * 500 + [False] * 500)
    keys: Any = ["k"] * 500 + ["l"] * 500
    assert bootstrap_share(right, keys) == (0.0, 1.0)
    many = [f"{i}" for i in range(1000)]
    low, high = bootstrap_share(right, many) or (0, 1)
    assert 0.46 < low < 0.48
    assert 0.52 < high < 0.54
    assert bootstrap_share(right, many) == (low, high)
