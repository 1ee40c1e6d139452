"""Pictures of an evaluation, as PNG."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from sensorium.train._optional import optional
from sensorium.train._scores import Scores

__all__ = ["save_plots"]

#: From here on a legend of labels or the numbers in the cells would not be readable.
_MANY: Final = 16
_BLUE: Final = "#2f6690"


def save_plots(tasks: Mapping[str, Mapping[str, Scores]], folder: Path) -> tuple[Path, ...]:
    """Draw every task: confusion, reliability, ROC curves, and the accuracy by condition.

    Parameters
    ----------
    tasks
        Per task and condition, the scores; the first condition is the one drawn in full.
    folder
        Where the pictures go; it is made if need be.

    Returns
    -------
    tuple of Path
        What was written; a picture that has nothing to show is left out.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    figure = optional("matplotlib.figure", "drawing plots").Figure
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for task, found in tasks.items():
        first = next(iter(found.values()))
        pictures: dict[str, Any] = {}
        if first.confusion is not None and first.count:
            pictures["confusion"] = _confusion(figure, task, first)
        if first.bins:
            pictures["reliability"] = _reliability(figure, task, first)
        if first.curves:
            pictures["roc"] = _curves(figure, task, first)
        pictures["conditions"] = _conditions(figure, task, found)
        for name, picture in pictures.items():
            # A task's name is free text; a file's name is not.
            path = folder / f"{re.sub(r'[^A-Za-z0-9_-]+', '_', task)}-{name}.png"
            picture.savefig(path, dpi=120)
            written.append(path)
    return tuple(written)


def _confusion(figure: Any, task: str, scores: Scores) -> Any:
    assert scores.confusion is not None
    counts = np.array(scores.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [label.label for label in scores.labels]
    size = min(12.0, max(4.5, 2.5 + 0.55 * len(names)))
    picture = figure(figsize=(size + 0.8, size), layout="constrained")
    axes = picture.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    picture.colorbar(image, ax=axes, label="share of the true label", shrink=0.8)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true", title=f"{task}: confusion ({scores.count} sets)")
    if len(names) <= _MANY:
        for i, row in enumerate(counts):
            for j, count in enumerate(row):
                colour = "white" if shares[i, j] > 0.5 else "black"
                axes.text(j, i, str(count), ha="center", va="center", color=colour)
    return picture


def _reliability(figure: Any, task: str, scores: Scores) -> Any:
    picture = figure(figsize=(5.5, 5.5), layout="constrained")
    axes, below = picture.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    filled = [found for found in scores.bins if found.count]
    error = scores.metrics["ece"]
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", label="perfectly calibrated")
    axes.plot(
        [found.score for found in filled],
        [found.share for found in filled],
        color=_BLUE,
        marker="o",
        label="model" if error is None else f"model (ECE {error:.3f})",
    )
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1.02),
        ylabel="share that is right" if scores.kind == "classification" else "share that is true",
        title=f"{task}: reliability ({scores.count} sets)",
    )
    axes.legend(loc="upper left")
    axes.grid(alpha=0.3)
    below.bar(
        [found.low for found in scores.bins],
        [found.count for found in scores.bins],
        width=[found.high - found.low for found in scores.bins],
        align="edge",
        color=_BLUE,
        edgecolor="white",
    )
    below.set(xlabel="score", ylabel="predictions")
    return picture


def _curves(figure: Any, task: str, scores: Scores) -> Any:
    picture = figure(figsize=(6.5, 5.5), layout="constrained")
    axes = picture.subplots()
    areas = {label.label: label.roc_auc for label in scores.labels}
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", label="chance")
    for curve in scores.curves:
        area = areas[curve.label]
        label = curve.label if area is None else f"{curve.label} ({area:.3f})"
        axes.plot(curve.false_positives, curve.true_positives, label=label)
    axes.set(
        xlim=(-0.01, 1),
        ylim=(0, 1.01),
        xlabel="false positive rate",
        ylabel="true positive rate",
        title=f"{task}: ROC, each label against the others ({scores.count} sets)",
    )
    axes.grid(alpha=0.3)
    if len(scores.curves) <= _MANY:
        axes.legend(loc="lower right", title="label (area)", fontsize="small")
    return picture


def _conditions(figure: Any, task: str, found: Mapping[str, Scores]) -> Any:
    first = next(iter(found.values()))
    name, title = ("accuracy", "accuracy") if "accuracy" in first.metrics else ("rmse", "RMSE")
    shown = {
        condition: value
        for condition, scores in found.items()
        if (value := scores.metrics[name]) is not None
    }
    picture = figure(figsize=(7, 1.6 + 0.45 * len(shown)), layout="constrained")
    axes = picture.subplots()
    places = np.arange(len(shown))
    values = np.array(list(shown.values()))
    intervals = [found[condition].interval or (value, value) for condition, value in shown.items()]
    below = np.maximum(values - [low for low, _ in intervals], 0)
    above = np.maximum([high for _, high in intervals] - values, 0)
    has_interval = bool((below + above).any())
    axes.barh(places, values, color=_BLUE)
    if has_interval:
        axes.errorbar(values, places, xerr=[below, above], fmt="none", ecolor="black", capsize=3)
    reach = values + above
    for place, value, end in zip(places, values, reach, strict=True):
        axes.annotate(
            f"{value:.3f}", (end, place), xytext=(4, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(places, list(shown))
    axes.invert_yaxis()
    furthest = float(reach.max(initial=0.0))
    axes.set_xlim(0, 1.12 if name == "accuracy" else (furthest * 1.15 or 1.0))
    note = " (bars: 95% interval over keys)" if has_interval else ""
    axes.set(xlabel=title + note, title=f"{task}: {title} by streams")
    return picture
