"""The metrics of one task under one condition.

A metric that is not defined (a label that never occurs has no recall) is None, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from sensorium.plugin import Task
from sensorium.train._bootstrap import bootstrap_share
from sensorium.train._calibration import ReliabilityBin, calibration_error, reliability
from sensorium.train._optional import optional

__all__ = ["Curve", "Kind", "LabelScores", "Scores", "kind_of", "labels_of", "score"]

Kind: TypeAlias = Literal["classification", "multi-label", "regression"]

#: Points of a receiver operating characteristic that are kept.
_CURVE_POINTS = 101


@dataclass(frozen=True, slots=True)
class LabelScores:
    """One label against all others.

    Parameters
    ----------
    label
        The label.
    count
        How many sets truly have it.
    precision, recall, f1, roc_auc
        None where undefined.
    """

    label: str
    count: int
    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """The receiver operating characteristic of one label.

    Parameters
    ----------
    label
        The label.
    false_positives, true_positives
        The rates at falling thresholds, ascending.
    """

    label: str
    false_positives: tuple[float, ...]
    true_positives: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """The metrics of one task.

    Parameters
    ----------
    kind
        What the task is.
    count
        How many sets with a target they were taken over.
    metrics
        By name, None where undefined.
    reasons
        Why a metric is undefined, or over which labels it was taken where not over all.
    interval
        The 95% confidence interval of the accuracy, by bootstrap over keys.
    labels
        Per label; empty for a regression.
    confusion
        Rows the truth, columns the prediction, in the order of `labels`; classification only.
    bins
        The reliability of the score of the predicted label, or of every label of a multi-label
        task.
    curves
        The receiver operating characteristic of every label that has one.
    """

    kind: Kind
    count: int
    metrics: dict[str, float | None]
    reasons: dict[str, str] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    labels: tuple[LabelScores, ...] = ()
    confusion: tuple[tuple[int, ...], ...] | None = None
    bins: tuple[ReliabilityBin, ...] = ()
    curves: tuple[Curve, ...] = ()


def kind_of(task: Task) -> Kind:
    """What a task's results are: one label, several labels, or values."""
    probe = task.result(task.activate(np.zeros((1, task.size), dtype=np.float32))[0])
    if probe.values is not None:
        return "regression"
    return "classification" if probe.labels is None else "multi-label"


def labels_of(task: Task) -> tuple[str, ...]:
    """The labels of a task, in the order of its outputs; empty for a regression."""
    probe = task.result(task.activate(np.zeros((1, task.size), dtype=np.float32))[0])
    return tuple(probe.scores or ())


def score(
    task: Task,
    outputs: npt.NDArray[Any],
    targets: npt.NDArray[Any],
    keys: Sequence[str],
    *,
    seed: int = 0,
) -> Scores:
    """Compare outputs with the truth.

    Parameters
    ----------
    task
        The task.
    outputs
        Scores or values as a fusion gives them, shape (sets, size).
    targets
        Rows of `Task.target`, shape (sets, size); NaN rows are left out.
    keys
        The key of every set.
    seed
        For the bootstrap.

    Raises
    ------
    MissingExtraError
        If scikit-learn is not installed.
    """
    known = ~np.isnan(targets).any(axis=1)
    outputs, targets = outputs[known], targets[known]
    chosen = [key for key, there in zip(keys, known, strict=True) if there]
    kind = kind_of(task)
    if not len(outputs):
        names = _NAMES[kind]
        return Scores(kind, 0, dict.fromkeys(names), dict.fromkeys(names, "no set has a target"))
    return _SCORERS[kind](task, outputs, targets, chosen, seed)


def _classification(
    task: Task,
    outputs: npt.NDArray[Any],
    targets: npt.NDArray[Any],
    keys: Sequence[str],
    seed: int,
) -> Scores:
    metrics = optional("sklearn.metrics", "the evaluation")
    labels = labels_of(task)
    truth, given = targets.argmax(axis=1), outputs.argmax(axis=1)
    right = truth == given
    places = np.arange(len(labels))
    each, curves = _per_label(labels, targets > 0.5, _one_hot(given, len(labels)), outputs)
    bins = reliability(outputs.max(axis=1), right)
    averages, reasons = _averages(each)
    interval = bootstrap_share(right, keys, seed=seed)
    if interval is None:
        reasons["interval"] = "an interval needs at least two keys"
    confusion = metrics.confusion_matrix(truth, given, labels=places)
    return Scores(
        "classification",
        len(truth),
        {"accuracy": float(right.mean()), **averages, "ece": calibration_error(bins)},
        reasons,
        interval,
        each,
        tuple(tuple(int(count) for count in row) for row in confusion),
        bins,
        curves,
    )


def _multi_label(
    task: Task,
    outputs: npt.NDArray[Any],
    targets: npt.NDArray[Any],
    keys: Sequence[str],
    seed: int,
) -> Scores:
    labels = labels_of(task)
    # The task says which labels are taken: the threshold is its own.
    taken = [set(task.result(row).labels or ()) for row in outputs]
    given = np.array([[label in row for label in labels] for row in taken])
    truth = targets > 0.5
    right = (given == truth).all(axis=1)
    each, curves = _per_label(labels, truth, given, outputs)
    bins = reliability(outputs.ravel(), truth.ravel())
    averages, reasons = _averages(each)
    interval = bootstrap_share(right, keys, seed=seed)
    if interval is None:
        reasons["interval"] = "an interval needs at least two keys"
    return Scores(
        "multi-label",
        len(truth),
        {
            "accuracy": float(right.mean()),
            "hamming_loss": float((given != truth).mean()),
            **averages,
            "ece": calibration_error(bins),
        },
        reasons,
        interval,
        each,
        None,
        bins,
        curves,
    )


def _regression(
    task: Task,
    outputs: npt.NDArray[Any],
    targets: npt.NDArray[Any],
    keys: Sequence[str],
    seed: int,
) -> Scores:
    del task, keys, seed
    metrics = optional("sklearn.metrics", "the evaluation")
    found: dict[str, float | None] = {
        "mae": float(metrics.mean_absolute_error(targets, outputs)),
        "rmse": float(np.sqrt(metrics.mean_squared_error(targets, outputs))),
    }
    reasons = {}
    if (targets == targets[0]).all(axis=0).any():
        found["r2"] = None
        reasons["r2"] = "the targets do not vary"
    else:
        found["r2"] = float(metrics.r2_score(targets, outputs))
    return Scores("regression", len(targets), found, reasons)


_MACRO = ("precision", "recall", "f1", "roc_auc")
_NAMES: dict[Kind, tuple[str, ...]] = {
    "classification": ("accuracy", *_MACRO, "ece"),
    "multi-label": ("accuracy", "hamming_loss", *_MACRO, "ece"),
    "regression": ("mae", "rmse", "r2"),
}
_Scorer: TypeAlias = Callable[
    [Task, npt.NDArray[Any], npt.NDArray[Any], Sequence[str], int], Scores
]
_SCORERS: dict[Kind, _Scorer] = {
    "classification": _classification,
    "multi-label": _multi_label,
    "regression": _regression,
}

#: Why a label has no such metric.
_UNDEFINED = {
    "precision": "never predicted",
    "recall": "no set has it",
    "f1": "no set has it and it was never predicted",
    "roc_auc": "no set has it, or every set has",
}


def _one_hot(index: npt.NDArray[Any], size: int) -> npt.NDArray[np.bool_]:
    return np.asarray(index[:, None] == np.arange(size)[None])


def _per_label(
    labels: Sequence[str],
    truth: npt.NDArray[np.bool_],
    given: npt.NDArray[np.bool_],
    scores: npt.NDArray[Any],
) -> tuple[tuple[LabelScores, ...], tuple[Curve, ...]]:
    metrics = optional("sklearn.metrics", "the evaluation")
    each, curves = [], []
    for i, label in enumerate(labels):
        # One label at a time: with all at once a single column would be taken for two classes.
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            truth[:, i], given[:, i], pos_label=True, average="binary", zero_division=np.nan
        )
        area, count = None, int(truth[:, i].sum())
        if 0 < count < len(truth):
            false, true, _ = metrics.roc_curve(truth[:, i], scores[:, i])
            area = float(metrics.auc(false, true))
            curves.append(_curve(label, false, true))
        each.append(
            LabelScores(label, count, _defined(precision), _defined(recall), _defined(f1), area)
        )
    return tuple(each), tuple(curves)


def _curve(label: str, false: npt.NDArray[Any], true: npt.NDArray[Any]) -> Curve:
    keep = np.unique(np.linspace(0, len(false) - 1, _CURVE_POINTS).round().astype(int))
    return Curve(label, tuple(float(x) for x in false[keep]), tuple(float(y) for y in true[keep]))


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _averages(each: Sequence[LabelScores]) -> tuple[dict[str, float | None], dict[str, str]]:
    """Macro averages over the labels that have the metric, and which have not."""
    averages: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for name in _MACRO:
        found = [value for label in each if (value := getattr(label, name)) is not None]
        without = [label.label for label in each if getattr(label, name) is None]
        averages[name] = sum(found) / len(found) if found else None
        if without:
            reasons[name] = f"without {', '.join(without)}: {_UNDEFINED[name]}"
    return averages, reasons
