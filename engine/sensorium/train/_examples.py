"""The part of a dataset that can be learnt from, split by key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.errors import ConfigError
from sensorium.host import Pipeline
from sensorium.train._dataset import Dataset, target_rows
from sensorium.train._scores import kind_of, labels_of
from sensorium.train._split import Group, Split, split_by_key

__all__ = ["Labelled", "all_targets", "labelled", "split_rows"]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Sets that have a member and the target of at least one task.

    Parameters
    ----------
    dataset
        These sets.
    targets
        Per task, rows of `Task.target`, NaN where a set has none; shape (sets, size).
    left_out
        How many sets of the whole dataset have no target.
    """

    dataset: Dataset
    targets: Mapping[str, npt.NDArray[np.float64]]
    left_out: int


def all_targets(pipeline: Pipeline, dataset: Dataset) -> dict[str, npt.NDArray[np.float64]]:
    """Target rows of every task that has a target in the pipeline file.

    Raises
    ------
    ConfigError
        If no task has one, or a value does not fit its task.
    """
    found = {
        name: target_rows(name, part.task, dataset.targets[name])
        for name, part in pipeline.tasks.items()
        if name in dataset.targets
    }
    if not found:
        raise ConfigError(
            "no task has a target, so there is nothing to compare with: add "
            "`target: {stream: ..., field: ...}` to a task",
            path="tasks",
        )
    return found


def labelled(pipeline: Pipeline, dataset: Dataset) -> Labelled:
    """Keep what can be learnt from.

    Raises
    ------
    ConfigError
        If a task has no target at all.
    """
    if not dataset.sets:
        raise ConfigError(
            "the data gave no aligned sets: `sensorium check PIPELINE --data FILE` tells why"
        )
    targets = all_targets(pipeline, dataset)
    for name, part in pipeline.tasks.items():
        if name not in targets:
            raise ConfigError(
                "it has no target, so it cannot be trained: add "
                "`target: {stream: ..., field: ...}`",
                path=f"tasks.{name}",
            )
        if np.isnan(targets[name]).any(axis=1).all():
            raise ConfigError(_nowhere(part.target), path=f"tasks.{name}.target")
    known = np.zeros(len(dataset.sets), dtype=bool)
    for rows in targets.values():
        known |= ~np.isnan(rows).any(axis=1)
    there = np.array([any(item.members.values()) for item in dataset.sets])
    chosen = np.flatnonzero(known & there)
    return Labelled(
        dataset.take(int(row) for row in chosen),
        {name: rows[chosen] for name, rows in targets.items()},
        len(dataset.sets) - len(chosen),
    )


def split_rows(
    pipeline: Pipeline, examples: Labelled, fraction: float, seed: int, group: Group
) -> tuple[Split, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Split by key, the first classification's labels spread evenly.

    Returns
    -------
    split, train, validation
        The keys of either side, and the numbers of their sets.
    """
    keys = examples.dataset.keys
    split = split_by_key(keys, fraction, seed, group, _strata(pipeline, examples))
    held = set(split.validation)
    inside = np.array([key in held for key in keys])
    return split, np.flatnonzero(~inside), np.flatnonzero(inside)


def _strata(pipeline: Pipeline, examples: Labelled) -> dict[str, str] | None:
    """Per key, its most frequent label in the first classification."""
    for name, part in pipeline.tasks.items():
        if kind_of(part.task) != "classification":
            continue
        labels = labels_of(part.task)
        counts: dict[str, Counter[str]] = {}
        for key, row in zip(examples.dataset.keys, examples.targets[name], strict=True):
            if not np.isnan(row).any():
                counts.setdefault(key, Counter())[labels[int(row.argmax())]] += 1
        return {key: max(sorted(found), key=found.__getitem__) for key, found in counts.items()}
    return None


def _nowhere(target: Any) -> str:
    if target is None:
        return "no set has a target"
    field = f"the field {target.field!r}" if target.field else "a value"
    return (
        f"no set has a target: the stream {target.stream!r} has to carry {field} for the keys of "
        "the data, at or before the time of a set"
    )
