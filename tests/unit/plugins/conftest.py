"""Helpers of the plugins' tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from sensorium.plugin import Features, FeatureSpec, Samples, Task
from sensorium_plugins.tasks import Classification, MultiLabel, Regression


@pytest.fixture(scope="session")
def samples() -> Callable[..., Samples]:
    """Build the `Samples` of a set from (time, value) pairs; durations of 0."""

    def build(values: list[tuple[int, Any]], start: int = 0, end: int = 0) -> Samples:
        times = np.array([time for time, _ in values], dtype=np.int64)
        return Samples(times, np.zeros_like(times), [value for _, value in values], start, end)

    return build


@pytest.fixture
def tasks() -> dict[str, Task]:
    """One task of each type."""
    return {
        "kind": Classification(Classification.Config(labels=["a", "b", "c"])),
        "tags": MultiLabel(MultiLabel.Config(labels=["x", "y"])),
        "level": Regression(Regression.Config()),
    }


@pytest.fixture
def streams() -> dict[str, FeatureSpec]:
    """A stream of vectors, and one of sequences."""
    return {"left": FeatureSpec(dim=4), "right": FeatureSpec(dim=3, kind="sequence")}


class Problem:
    """Learnable data: both streams tell the kind, `level` is far from 0 and wide."""

    def __init__(self, items: int, tasks: Mapping[str, Task], seed: int) -> None:
        random = np.random.default_rng(seed)
        self.kind = random.integers(0, 3, items)
        noise = 0.3
        left = np.eye(4)[self.kind] * [1, 1, 1, 0] + noise * random.normal(size=(items, 4))
        right = np.eye(3)[self.kind][:, None] + noise * random.normal(size=(items, 5, 3))
        self.mask = np.ones((items, 5), dtype=np.bool_)
        self.mask[:, 4] = False
        right[:, 4] = 1000  # not there: must never be seen
        self.features = {
            "left": Features((100 + 10 * left).astype(np.float32)),
            "right": Features(right.astype(np.float32), self.mask),
        }
        self.level = 500.0 + 50 * self.kind
        self.targets = {
            "kind": np.eye(3)[self.kind],
            "tags": np.stack([self.kind == 0, self.kind != 1], axis=1).astype(float),
            "level": self.level[:, None],
        }

    def present(self, **streams: bool) -> dict[str, np.ndarray]:
        """Presence of the streams, the same for every item; present unless said."""
        return {name: np.full(len(self.kind), streams.get(name, True)) for name in self.features}

    def shown(self, **streams: bool) -> dict[str, Features]:
        """The features as the engine gives them: zeros for what is absent."""
        return {
            name: given if streams.get(name, True) else Features(given.data * 0, given.mask)
            for name, given in self.features.items()
        }


@pytest.fixture
def problem(tasks: dict[str, Task]) -> Callable[..., Problem]:
    """Build a `Problem`."""
    return lambda items=120, seed=0: Problem(items, tasks, seed)
