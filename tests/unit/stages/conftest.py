"""Small plugins in plain numpy, and sets for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sensorium.errors import PayloadError
from sensorium.events import Absence, AlignedSet, Event, TaskResult
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


class Numbers(Modality):
    """A list of three numbers; of several events their mean; through a matrix."""

    name = "numbers"

    def __init__(self, config: Any = None) -> None:
        super().__init__(config or PluginConfig())
        self.matrix = np.random.default_rng(7).standard_normal((3, 5)).astype(np.float32)
        self.prepared: list[int] = []
        self.encoded: list[int] = []

    def decode(self, payload: Payload) -> Any:
        if not isinstance(payload.data, list) or len(payload.data) != 3:
            raise PayloadError("expected a list of 3 numbers")
        return np.array([float(number) for number in payload.data], np.float32)

    def duration(self, value: Any) -> int:
        return 3

    def prepare(self, items: Sequence[Samples]) -> Mapping[str, np.ndarray]:
        self.prepared.append(len(items))
        for item in items:
            if any(value[0] == -1 for value in item.values):
                raise PayloadError("the first number is -1")
        return {"x": np.stack([np.mean(item.values, axis=0) for item in items])}

    @property
    def feature(self) -> FeatureSpec:
        return FeatureSpec(5)

    def encode(self, arrays: Mapping[str, np.ndarray]) -> Features:
        x = arrays["x"]
        self.encoded.append(len(x))
        if (x[:, 0] == -2).any():
            raise RuntimeError("cannot encode -2")
        with np.errstate(all="ignore"):
            return Features(np.where(x[:, :1] == -3, np.nan, x @ self.matrix).astype(np.float32))


class Steps(Numbers):
    """Gives the numbers as a sequence of as many steps as the first of them says."""

    name = "steps"

    @property
    def feature(self) -> FeatureSpec:
        return FeatureSpec(1, "sequence")

    def encode(self, arrays: Mapping[str, np.ndarray]) -> Features:
        x = arrays["x"]
        mask = np.arange(3) < x[:, :1]
        return Features(np.where(mask, x, 0)[:, :, None].astype(np.float32), mask)


class Yes(Task):
    """Yes or no."""

    name = "yes"

    @property
    def size(self) -> int:
        return 2

    def activate(self, logits: Any) -> Any:
        return logits

    def result(self, activated: Any) -> TaskResult:
        yes = float(activated[0])
        return TaskResult(label="yes" if yes >= 0.5 else "no", score=max(yes, 1 - yes))

    def target(self, value: Any) -> Any:
        return np.array([value, 1 - value], np.float64)

    def loss(self, logits: Any, targets: Any) -> Any:
        raise NotImplementedError


class Squash(Fusion):
    """The squashed sum of all features, through a matrix."""

    name = "squash"

    def __init__(self, config: Any, features: Any, tasks: Any) -> None:
        super().__init__(config, features, tasks)
        width = sum(spec.dim for spec in features.values())
        self.matrix = np.random.default_rng(3).standard_normal((width, 1)).astype(np.float32)
        self.fused: list[int] = []

    def fuse(self, present: Any, **features: Features) -> Mapping[str, TaskOutput]:
        parts = [it.data if it.data.ndim == 2 else it.data.sum(axis=1) for it in features.values()]
        joined = np.concatenate(parts, axis=1)
        self.fused.append(len(joined))
        if (joined[:, 0] > 1e6).any():
            raise RuntimeError("too much")
        yes = 1 / (1 + np.exp(-(joined @ self.matrix)))
        there = np.stack(list(present.values()), axis=1).astype(np.float64)
        shares = there / np.maximum(there.sum(axis=1, keepdims=True), 1)
        return {name: TaskOutput(np.hstack([yes, 1 - yes]), None, shares) for name in self.tasks}


@pytest.fixture
def plugins() -> SimpleNamespace:
    return SimpleNamespace(Numbers=Numbers, Steps=Steps, Yes=Yes, Squash=Squash)


@pytest.fixture
def make_set() -> Callable[..., AlignedSet]:
    """A set of events per stream, each given by its numbers, at the times 10, 11, ..."""

    def make(name: str, **values: list[list[float]] | None) -> AlignedSet:
        members = {
            stream: tuple(
                Event(
                    stream,
                    "k",
                    10 + at,
                    value=np.array(value, np.float32),
                    origin=f"{stream}/0/{name}{at}",
                )
                for at, value in enumerate(them)
            )
            for stream, them in values.items()
            if them
        }
        absent = {stream: Absence.PROVEN for stream, them in values.items() if not them}
        return AlignedSet("k", 10, members, absent, id=name, start=10, end=20)

    return make
