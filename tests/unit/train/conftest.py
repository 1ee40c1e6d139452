"""Pipelines of small plugins, and data that they can learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_plugins import Amount, AnyOf, Labels, OneOf, ToyPlugins

from sensorium.events import Absence, AlignedSet, Event
from sensorium.host import Pipeline, PluginHost, load_pipeline
from sensorium.plugin import (
    Payload,
    PluginConfig,
    Task,
)
from sensorium.train import Dataset
from sensorium.wire import Envelope, write_envelope


@pytest.fixture(scope="session")
def host() -> PluginHost:
    found = PluginHost(entry_points=(), modules=[ToyPlugins()])
    assert not found.problems
    return found


MakePipeline = Callable[..., Pipeline]


@pytest.fixture
def make_pipeline(host: PluginHost) -> MakePipeline:
    def make(
        modality: str = "numbers",
        fusion: str = "by-itself",
        *,
        second: str | None = None,
        tasks: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Pipeline:
        wanted = {"kind": {"type": "one-of", "labels": ["a", "b"]}} if tasks is None else tasks
        return load_pipeline(
            {
                "pipeline": "toy",
                "streams": {
                    "left": {"modality": modality},
                    "right": {"modality": second or modality},
                },
                "align": {"policy": "exact", "require": "any"},
                "fusion": {"plugin": fusion},
                "tasks": {
                    name: {"target": {"stream": "truth", "field": name}, **task}
                    for name, task in wanted.items()
                },
                **more,
            },
            plugins=host,
        )

    return make


@pytest.fixture
def make_task() -> Callable[..., Task]:
    kinds: dict[str, type[Task]] = {"one-of": OneOf, "any-of": AnyOf}

    def make(kind: str, *labels: str) -> Task:
        if kind == "amount":
            return Amount(PluginConfig())
        return kinds[kind](Labels.Config(labels=list(labels)))

    return make


Row = tuple[str, str, int, Any]


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    """Write rows of (stream, key, time, payload) as a recording."""

    def write(rows: Sequence[Row], name: str = "data.jsonl") -> Path:
        path = tmp_path / name
        envelopes = [
            Envelope(stream=stream, key=key, time=time, payload=Payload(data))
            for stream, key, time, data in rows
        ]
        path.write_text("".join(write_envelope(one).hex() + "\n" for one in envelopes))
        return path

    return write


def _set(key: str, time: int, members: Mapping[str, Any], streams: Sequence[str]) -> AlignedSet:
    events = {
        name: (Event(stream=name, key=key, time=time, value=np.array(value, dtype=np.float32)),)
        for name, value in members.items()
    }
    absent = {name: Absence.PROVEN for name in streams if name not in members}
    return AlignedSet(key, time, events, absent, id=f"{key}/{time}", start=time, end=time)


@pytest.fixture
def make_set() -> Callable[..., AlignedSet]:
    def make(key: str, time: int, **members: Any) -> AlignedSet:
        return _set(key, time, members, ("left", "right"))

    return make


@pytest.fixture
def make_data() -> Callable[..., Dataset]:
    """Keys of two kinds; ``left`` tells them apart well, ``right`` less well; some are silent."""

    def make(
        keys: int = 10, sets: int = 20, silent: float = 0.1, seed: int = 0, shift: float = 0
    ) -> Dataset:
        rng = np.random.default_rng(seed)
        made, kinds, sizes = [], [], []
        for k in range(keys):
            for i in range(sets):
                kind = int(rng.integers(2))
                members = {
                    "left": [shift + 4 * kind - 2 + rng.normal(), rng.normal()],
                    "right": [2 * kind - 1 + rng.normal(), rng.normal()],
                }
                if rng.random() < silent:
                    del members["left" if rng.random() < 0.5 else "right"]
                made.append(_set(f"key{k}", i, members, ("left", "right")))
                kinds.append("ab"[kind])
                sizes.append(3.0 * kind)
        return Dataset(made, {"kind": kinds, "size": sizes})

    return make
