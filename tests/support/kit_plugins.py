"""Plugins that conform, importable by their names in other processes; tests break them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from sensorium.errors import PayloadError
from sensorium.events import TaskResult
from sensorium.plugin import (
    Features,
    FeatureSpec,
    Fusion,
    Modality,
    Payload,
    PluginConfig,
    Samples,
    Task,
    TaskOutput,
)


class GoodConfig(PluginConfig):
    length: int = Field(default=3, ge=1)


class Good(Modality):
    """Lists of numbers, scaled by what was learned."""

    name = "good"
    Config = GoodConfig

    def decode(self, payload: Payload) -> Any:
        try:
            value = np.asarray(payload.data, np.float64)
        except (TypeError, ValueError, OverflowError):
            raise PayloadError("expected a list of numbers") from None
        if value.shape != (self.config.length,) or not (np.abs(value) < 1e9).all():
            raise PayloadError(f"expected {self.config.length} moderate numbers")
        return value

    def prepare(self, items: Sequence[Samples]) -> Mapping[str, np.ndarray]:
        return {"x": np.stack([np.mean(item.values, axis=0) for item in items]).astype(np.float32)}

    @property
    def feature(self) -> FeatureSpec:
        return FeatureSpec(self.config.length)

    def fit(self, arrays: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        return {"scale": arrays["x"].std(axis=0) + 1}

    def load(self, device: str, weights: Mapping[str, np.ndarray] | None) -> None:
        self.scale = (
            np.ones(self.config.length, np.float32) if weights is None else weights["scale"]
        )

    def encode(self, arrays: Mapping[str, np.ndarray]) -> Features:
        return Features(arrays["x"] / self.scale)


class TwoWay(Task):
    """One of two."""

    name = "two-way"

    @property
    def size(self) -> int:
        return 2

    def activate(self, logits: Any) -> Any:
        return logits

    def result(self, activated: Any) -> TaskResult:
        return TaskResult(label=str(int(np.argmax(activated))))

    def target(self, value: Any) -> Any:
        return np.eye(2)[value]

    def loss(self, logits: Any, targets: Any) -> Any:
        raise NotImplementedError


class GoodFusion(Fusion):
    """The mean of the streams that are there, squashed."""

    name = "good-fusion"

    def load(self, device: str, weights: Mapping[str, np.ndarray] | None) -> None:
        self.bias = 0.0 if weights is None else float(weights["bias"][0])

    def fuse(self, present: Any, **features: Features) -> Mapping[str, TaskOutput]:
        there = np.stack(list(present.values()), axis=1).astype(np.float64)
        shares = there / np.maximum(there.sum(axis=1, keepdims=True), 1)
        means = np.stack([self.mean(it) for it in features.values()], axis=1)
        one = 1 / (1 + np.exp(-(shares * means).sum(axis=1) - self.bias))
        scores = np.stack([one, 1 - one], axis=1)
        return {name: TaskOutput(scores, None, shares) for name in self.tasks}

    @staticmethod
    def mean(features: Features) -> np.ndarray:
        if features.mask is None:
            return features.data.mean(axis=1)
        steps = np.maximum(features.mask.sum(axis=1), 1)
        return (features.data.mean(axis=2) * features.mask).sum(axis=1) / steps


class PerProcess(Good):
    """Gives other features in every process."""

    def encode(self, arrays: Mapping[str, np.ndarray]) -> Features:
        return Features(arrays["x"] + np.float32(os.getpid() % 1000))


class PerProcessFusion(GoodFusion):
    """Gives other outputs in every process."""

    def fuse(self, present: Any, **features: Features) -> Mapping[str, TaskOutput]:
        outputs = super().fuse(present, **features)
        share = np.float64(os.getpid() % 1000 / 1000)
        return {name: TaskOutput(it.scores * share) for name, it in outputs.items()}
