"""Accuracies that the streamed one is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.align import Window
from sensorium.demo._layout import Placed
from sensorium.demo._watch import PERIOD
from sensorium.errors import ConfigError
from sensorium.events import AlignedSet
from sensorium.host import Pipeline
from sensorium.plugin import Samples
from sensorium.runtime import Models
from sensorium.train import Encoded, encode_sets, predict_encoded

__all__ = ["TASK", "accuracy_by_streams", "accuracy_offline", "windows"]

TASK: Final = "exercise"


def accuracy_offline(pipeline: Pipeline, models: Models, placed: Sequence[Placed]) -> float | None:
    """The accuracy on perfectly aligned windows, cut from the arrays and not from events.

    Neither ingest nor align has a part in it. The windows lie on the same grid, those that only
    the edge of a trial fills included.
    """
    policy = pipeline.policy
    if not isinstance(policy, Window) or policy.size is None:
        raise ConfigError("the demo compares windows: set `policy: window` and its `size`", path="align")
    size, hop = int(policy.size), int(policy.hop or policy.size)
    truth: list[str] = []
    items: dict[str, list[Samples]] = {name: [] for name in pipeline.streams}
    for item in placed:
        for start, first, stop in windows(item.start, len(item.trial), size, hop):
            truth.append(item.trial.exercise)
            for name, samples in item.trial.streams.items():
                items[name].append(
                    Samples(
                        times=np.array([item.start + first * PERIOD]),
                        durations=np.array([(stop - first) * PERIOD]),
                        values=[samples[first:stop]],
                        start=start,
                        end=start + size,
                    )
                )
    if not truth:
        return None
    features = {
        name: models.modalities[name].encode(models.modalities[name].prepare(found))
        for name, found in items.items()
    }
    present = {name: np.ones(len(truth), dtype=np.bool_) for name in features}
    return _accuracy(pipeline, models, Encoded(present, features), truth)


def windows(start: int, samples: int, size: int, hop: int) -> Iterator[tuple[int, int, int]]:
    """Every window of the grid that a trial reaches into.

    Parameters
    ----------
    start
        The time of the first sample, in ns since the epoch.
    samples
        How many there are.
    size, hop
        Of the windows, in ns.

    Yields
    ------
    start, first, stop
        When the window begins, and which samples were taken in it. A last one that begins after
        the last sample was taken, but while it holds, has that one.
    """
    end = start + samples * PERIOD
    for number in range((start - size) // hop + 1, (end - 1) // hop + 1):
        begin = number * hop
        first = max(0, -((start - begin) // PERIOD))
        stop = min(samples, -((start - begin - size) // PERIOD))
        yield begin, min(first, samples - 1), stop


def accuracy_by_streams(
    pipeline: Pipeline,
    models: Models,
    sets: Sequence[AlignedSet],
    truth: Mapping[str, str],
) -> dict[str, float | None]:
    """The accuracy of each stream alone and of all together.

    Returns
    -------
    dict
        Per combination of streams, as ``accel`` or ``accel+gyro``, the accuracy over the sets
        that have all of them when the model is given these only; None where there is no such set.
    """
    encoded = encode_sets(models.modalities, sets)
    names = list(pipeline.streams)
    found: dict[str, float | None] = {}
    for count in range(1, len(names) + 1):
        for some in combinations(names, count):
            there = np.logical_and.reduce([encoded.present[name] for name in some])
            rows = np.flatnonzero(there)
            given = {name: np.full(len(rows), name in some) for name in names}
            shown = encoded.take(rows, given)
            found["+".join(some)] = _accuracy(
                pipeline, models, shown, [truth[sets[row].key] for row in rows]
            )
    return found


def _accuracy(
    pipeline: Pipeline, models: Models, encoded: Encoded, truth: Sequence[str]
) -> float | None:
    if not truth:
        return None
    scores: npt.NDArray[Any] = predict_encoded(models.fusion, encoded)[TASK]
    task = pipeline.tasks[TASK].task
    right = [task.result(row).label == label for row, label in zip(scores, truth, strict=True)]
    return sum(right) / len(right)
