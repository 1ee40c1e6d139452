"""A fusion to check, and what it is tried with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.plugin import Features, FeatureSpec, Fusion, Task, TaskOutput, Weights
from sensorium.stages import take_features
from sensorium.testing.conformance._report import Subject
from sensorium.testing.conformance._trials import microseconds

__all__ = ["FusionSubject", "Outputs", "Present", "arrays_of", "cut", "fuse"]

Present = Mapping[str, npt.NDArray[np.bool_]]
Outputs = Mapping[str, TaskOutput]


@dataclass(frozen=True)
class FusionSubject(Subject):
    """A fusion to check.

    Parameters
    ----------
    plugin, config, weights
        The class, its configuration as in a pipeline file, and what it loads.
    features
        Per stream, what it is to fuse.
    tasks
        What it is to predict.
    seed
        Of the features that it is given.
    """

    plugin: type[Fusion]
    config: Mapping[str, Any]
    features: Mapping[str, FeatureSpec]
    tasks: Mapping[str, Task]
    weights: Weights | None = None
    seed: int = 0
    steps: int = field(default=3, repr=False)
    """The length of sequences."""

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.plugin.name

    def make(self) -> Fusion:
        """A fresh, loaded instance."""
        config = self.plugin.Config.model_validate(dict(self.config))
        fusion = self.plugin(config, self.features, self.tasks)
        fusion.load("cpu", self.weights)
        return fusion

    @property
    def patterns(self) -> list[int]:
        """The rows of `batch`: bit n says whether the n-th stream is there."""
        return list(range(2 ** len(self.features)))

    def batch(self) -> tuple[dict[str, npt.NDArray[np.bool_]], dict[str, Features]]:
        """A row for every pattern of presence, with random features."""
        rows = len(self.patterns)
        random = np.random.default_rng(self.seed)
        present, features = {}, {}
        for bit, (name, spec) in enumerate(self.features.items()):
            there = (np.arange(rows) >> bit & 1).astype(np.bool_)
            shape = (rows, spec.dim) if spec.kind == "vector" else (rows, self.steps, spec.dim)
            data = random.standard_normal(shape).astype(spec.dtype)
            data[~there] = 0
            mask = None
            if spec.kind == "sequence":
                mask = np.repeat(there[:, None], self.steps, axis=1)
            present[name], features[name] = there, Features(data, mask)
        return present, features

    def figures(self) -> Mapping[str, float]:
        """What fusing costs, alone and in a batch of 64."""
        fusion = self.make()
        present, features = self.batch()
        full = self.patterns[-1]
        one = cut(present, features, [full])
        many = cut(present, features, [full] * 64)
        return {
            "fuse 1": microseconds(lambda: fusion.fuse(one[0], **one[1]), 1),
            "fuse 64": microseconds(lambda: fusion.fuse(many[0], **many[1]), 64),
        }


def cut(
    present: Present, features: Mapping[str, Features], rows: list[int]
) -> tuple[dict[str, npt.NDArray[np.bool_]], dict[str, Features]]:
    """Some rows of a batch."""
    return (
        {name: there[rows] for name, there in present.items()},
        {name: take_features(it, rows) for name, it in features.items()},
    )


def fuse(
    fusion: Fusion, present: Present, features: Mapping[str, Features], rows: list[int]
) -> Outputs:
    """What a fusion gives for some rows of a batch."""
    some, taken = cut(present, features, rows)
    return fusion.fuse(some, **taken)


def arrays_of(output: TaskOutput) -> list[npt.NDArray[Any]]:
    """The arrays that an output holds."""
    return [it for it in (output.scores, output.values, output.contribution) if it is not None]
