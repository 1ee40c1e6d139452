"""Aligned sets with the truth of every task joined to them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.errors import ConfigError, PayloadError
from sensorium.events import AlignedSet
from sensorium.plugin import Task

__all__ = ["DataFile", "Dataset", "TargetEvent", "join_targets", "look_up", "target_rows"]


@dataclass(frozen=True, slots=True)
class TargetEvent:
    """One value of a target, as its stream carries it.

    Parameters
    ----------
    key, time
        The entity, and the event time in ns since the epoch.
    value
        The label, labels or number.
    """

    key: str
    time: int
    value: Any


@dataclass(frozen=True, slots=True)
class DataFile:
    """A recording that a dataset was made from.

    Parameters
    ----------
    path
        Where it was read.
    digest
        The SHA-256 of its bytes, in hexadecimal.
    size
        Its length in bytes.
    """

    path: Path
    digest: str
    size: int


@dataclass(frozen=True)
class Dataset:
    """What `fit` trains on and `evaluate` tests with.

    Parameters
    ----------
    sets
        The aligned sets, as the pipeline would serve them.
    targets
        Per task, one value per set as the target stream carried it, None where there is none.
    files
        The recordings they came from.
    dead_letters
        How many records could not be used.
    """

    sets: Sequence[AlignedSet]
    targets: Mapping[str, Sequence[Any]]
    files: Sequence[DataFile] = ()
    dead_letters: int = field(default=0)

    def __post_init__(self) -> None:
        for task, values in self.targets.items():
            if len(values) != len(self.sets):
                raise ValueError(
                    f"task {task!r} has {len(values)} targets for {len(self.sets)} sets"
                )

    @property
    def keys(self) -> tuple[str, ...]:
        """The key of every set, in their order."""
        return tuple(found.key for found in self.sets)

    def take(self, rows: Iterable[int]) -> Dataset:
        """The dataset of some of the sets."""
        chosen = list(rows)
        return Dataset(
            [self.sets[row] for row in chosen],
            {task: [values[row] for row in chosen] for task, values in self.targets.items()},
            self.files,
            self.dead_letters,
        )


def join_targets(sets: Sequence[AlignedSet], events: Iterable[TargetEvent]) -> list[Any]:
    """Give every set its key's newest target that is not later than the set.

    A window (its time is its start) takes a target from before its end; any other set, from its
    time or before. Of several at one time the last given counts.

    Returns
    -------
    list
        One value per set, None where its key has no target yet.
    """
    by_key: dict[str, list[TargetEvent]] = {}
    for event in events:
        by_key.setdefault(event.key, []).append(event)
    times: dict[str, list[int]] = {}
    for key, found in by_key.items():
        found.sort(key=lambda event: event.time)
        times[key] = [event.time for event in found]
    joined: list[Any] = []
    for item in sets:
        windowed = item.end > item.start and item.time == item.start
        latest = item.end - 1 if windowed else item.time
        index = bisect_right(times.get(item.key, []), latest)
        joined.append(by_key[item.key][index - 1].value if index else None)
    return joined


def look_up(value: Any, path: str) -> Any:
    """Follow a dotted path into a payload; None where it leads nowhere.

    An empty path is the payload itself; a part of digits is an index of a list.
    """
    for part in path.split(".") if path else ():
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list | tuple) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def target_rows(name: str, task: Task, values: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Turn target values into the rows that a task is trained on.

    Parameters
    ----------
    name
        The task's name in the pipeline file.
    task
        The task.
    values
        One per set; None where there is none.

    Returns
    -------
    float64 array of shape (sets, task.size)
        NaN where a set has no target.

    Raises
    ------
    ConfigError
        If a value is not one of the task's.
    """
    rows = np.full((len(values), task.size), np.nan)
    wrong: list[PayloadError] = []
    for row, value in enumerate(values):
        if value is None:
            continue
        try:
            rows[row] = task.target(value)
        except PayloadError as error:
            wrong.append(error)
    if wrong:
        raise ConfigError(
            f"{len(wrong)} of {len(values)} targets do not fit the task; the first: {wrong[0]}",
            path=f"tasks.{name}",
        )
    return rows
