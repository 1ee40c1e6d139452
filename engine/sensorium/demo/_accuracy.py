"""Accuracies that the streamed one is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.align import Window
from sensorium.demo._scene import Scene
from sensorium.errors import ConfigError
from sensorium.events import AlignedSet
from sensorium.host import Pipeline
from sensorium.runtime import Models
from sensorium.train import Encoded, encode_sets, predict_encoded

__all__ = ["accuracy_by_streams", "accuracy_offline"]


def accuracy_offline(pipeline: Pipeline, models: Models, scene: Scene, task: str) -> float | None:
    """The accuracy on perfectly aligned windows, cut from the data and not from events.

    Neither ingest nor align has a part in it. The windows lie on the same grid, those that only
    the edge of a recording fills included.
    """
    policy = pipeline.policy
    if not isinstance(policy, Window) or policy.size is None:
        raise ConfigError(
            "the demo compares windows: set `policy: window` and its `size`", path="align"
        )
    size, hop = int(policy.size), int(policy.hop or policy.size)
    found = list(scene.perfect(size, hop, lambda name, it: models.modalities[name].decode(it)))
    encoded = encode_sets(models.modalities, [aligned for _, aligned in found])
    return _accuracy(pipeline, models, task, encoded, [truth for truth, _ in found])


def accuracy_by_streams(
    pipeline: Pipeline, models: Models, scene: Scene, task: str, sets: Sequence[AlignedSet]
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
            truth = [scene.truth(sets[int(row)].key, sets[int(row)].time) for row in rows]
            found["+".join(some)] = _accuracy(pipeline, models, task, shown, truth)
    return found


def _accuracy(
    pipeline: Pipeline, models: Models, task: str, encoded: Encoded, truth: Sequence[str]
) -> float | None:
    if not truth:
        return None
    scores: npt.NDArray[Any] = predict_encoded(models.fusion, encoded)[task]
    judge = pipeline.tasks[task].task
    right = [judge.result(row).label == label for row, label in zip(scores, truth, strict=True)]
    return sum(right) / len(right)
