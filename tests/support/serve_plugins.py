"""Plugins whose answers tell which model gave them, for tests of several processes.

A value is a number; the feature is the number times the stream's weight, the output the sum of the
features plus the fusion's weight. So one look at an output says of which checkpoint each part was.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.errors import PayloadError
from sensorium.hookspecs import hookimpl
from sensorium.plugin import (
    Features,
    FeatureSpec,
    Fusion,
    Modality,
    Payload,
    PluginConfig,
    Samples,
    TaskOutput,
)

_MATRIX = np.full((64, 64), 1e-3)


class ScaledConfig(PluginConfig):
    pause: float = 0.0
    """Seconds that a call waits, as for another device."""
    rounds: int = 0
    """How often a call multiplies matrices: what it costs the CPU."""
    poison: float | None = None
    """A number that cannot be encoded."""
    broken: Path | None = None
    """While this file is there, nothing can be encoded."""


class Scaled(Modality):
    name = "scaled"
    prepare_at = "ingest"
    Config = ScaledConfig

    def decode(self, payload: Payload) -> float:
        if not isinstance(payload.data, int | float):
            raise PayloadError("expected a number")
        return float(payload.data)

    def prepare(self, items: Sequence[Samples]) -> Mapping[str, np.ndarray]:
        return {"x": np.array([item.values[-1] for item in items])}

    @property
    def feature(self) -> FeatureSpec:
        return FeatureSpec(1, dtype="float64")

    def fit(self, arrays: Any) -> Any:
        return {"scale": np.ones(1)}

    def load(self, device: str, weights: Any) -> None:
        self._scale = float(weights["scale"][0])

    def encode(self, arrays: Mapping[str, np.ndarray]) -> Features:
        if self.config.pause:
            time.sleep(self.config.pause)
        for _ in range(self.config.rounds):
            np.tanh(_MATRIX @ _MATRIX)
        if self.config.broken is not None and self.config.broken.exists():
            raise RuntimeError("out of order")
        if self.config.poison is not None and (arrays["x"] == self.config.poison).any():
            raise ValueError("poison")
        return Features(arrays["x"][:, None] * self._scale)


class PreparedThere(Scaled):
    """Tells, by a million, whether it was prepared in another process than it is encoded in."""

    name = "prepared-there"
    prepare_at = "replica"

    def prepare(self, items: Sequence[Samples]) -> Mapping[str, np.ndarray]:
        values = [item.values[-1] for item in items]
        if self.config.poison in values:
            raise ValueError("poison")
        where = np.full(len(items), os.getpid())
        return {"x": np.array(values), "where": where}

    def encode(self, arrays: Mapping[str, np.ndarray]) -> Features:
        away = 1e6 * (arrays["where"] != os.getpid())
        return Features((arrays["x"] * self._scale + away)[:, None])


class Wide(Scaled):
    """Features of 800 kB for a number of 8 bytes; all but the first are 0."""

    name = "wide"

    @property
    def feature(self) -> FeatureSpec:
        return FeatureSpec(100_000, dtype="float64")

    def encode(self, arrays: Mapping[str, np.ndarray]) -> Features:
        data = np.zeros((len(arrays["x"]), self.feature.dim))
        data[:, :1] = super().encode(arrays).data
        return Features(data)


class Adding(Fusion):
    name = "adding"

    def fit(self, present: Any, features: Any, targets: Any) -> Any:
        return {"bias": np.zeros(1)}

    def load(self, device: str, weights: Any) -> None:
        self._bias = float(weights["bias"][0])

    def fuse(self, present: Any, **features: Features) -> Mapping[str, TaskOutput]:
        total = sum(it.data[:, :1] for it in features.values()) + self._bias
        return {name: TaskOutput(values=total) for name in self.tasks}


@hookimpl
def sensorium_modalities() -> list[type[Modality]]:
    return [Scaled, PreparedThere, Wide]


@hookimpl
def sensorium_fusions() -> list[type[Fusion]]:
    return [Adding]
