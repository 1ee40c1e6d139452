"""A whole pipeline of small plugins in plain numpy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from sensorium.align import Exact
from sensorium.errors import PayloadError
from sensorium.events import TaskResult
from sensorium.hookspecs import hookimpl
from sensorium.host import Pipeline, PipelineConfig, PluginHost, StreamPart, TaskPart
from sensorium.plugin import (
    Features,
    FeatureSpec,
    Fusion,
    Modality,
    Payload,
    PluginConfig,
    Record,
    Samples,
    Sink,
    Source,
    StreamSpec,
    Task,
    TaskOutput,
)
from sensorium.testing import MemorySink, MemorySource
from sensorium.wire import Envelope, FieldMap, write_envelope


class Number(Modality):
    """One number; a batch that holds one waits for its gate."""

    name = "number"
    gates: ClassVar[Mapping[float, threading.Event]] = {}

    def decode(self, payload: Payload) -> float:
        if not isinstance(payload.data, float):
            raise PayloadError("expected a number")
        return payload.data

    def prepare(self, items: Sequence[Samples]) -> Mapping[str, np.ndarray]:
        return {"x": np.array([item.values[-1] for item in items], np.float32)}

    @property
    def feature(self) -> FeatureSpec:
        return FeatureSpec(1)

    def encode(self, arrays: Mapping[str, np.ndarray]) -> Features:
        for number in arrays["x"].tolist():
            if number in self.gates:
                assert self.gates[number].wait(20)
        if (arrays["x"] == -2).any():
            raise RuntimeError("cannot encode -2")
        return Features(arrays["x"][:, None])


class Trained(Number):
    name = "trained"

    def fit(self, arrays: Any) -> Any:
        return {"scale": np.ones(1, np.float32)}

    def load(self, device: str, weights: Any) -> None:
        self.scale = weights["scale"]

    def encode(self, arrays: Any) -> Features:
        return Features(arrays["x"][:, None] * self.scale)


class Sum(Fusion):
    name = "sum"

    def fuse(self, present: Any, **features: Features) -> Mapping[str, TaskOutput]:
        total = sum(it.data for it in features.values())
        return {name: TaskOutput(values=total) for name in self.tasks}


class Value(Task):
    name = "value"

    @property
    def size(self) -> int:
        return 1

    def activate(self, logits: Any) -> Any:
        return logits

    def result(self, activated: Any) -> TaskResult:
        return TaskResult(values=(float(activated[0]),))

    def target(self, value: Any) -> Any:
        return np.array([value])

    def loss(self, logits: Any, targets: Any) -> Any:
        raise NotImplementedError


class Watcher:
    """A plugin that observes everything, and brings a source and a sink of files."""

    def __init__(self) -> None:
        self.seen: dict[str, list[Any]] = {
            name: [] for name in ("events", "sets", "predictions", "dead_letters")
        }

    @hookimpl
    def sensorium_on_events(self, pipeline: str, events: Any) -> None:
        self.seen["events"] += events

    @hookimpl
    def sensorium_on_sets(self, pipeline: str, sets: Any) -> None:
        self.seen["sets"] += sets

    @hookimpl
    def sensorium_on_predictions(self, pipeline: str, predictions: Any) -> None:
        self.seen["predictions"] += predictions

    @hookimpl
    def sensorium_on_dead_letters(self, pipeline: str, letters: Any) -> None:
        self.seen["dead_letters"] += letters

    @hookimpl
    def sensorium_sources(self) -> Sequence[type[Source]]:
        return [LineSource, RecordingSource]

    @hookimpl
    def sensorium_sinks(self) -> Sequence[type[Sink]]:
        return [LineSink]


class LineConfig(PluginConfig):
    path: Path


class LineSource(MemorySource):
    """Every line of the file is a number of the stream `a`, and of `b`."""

    name = "jsonl"
    Config = LineConfig

    def __init__(self, config: LineConfig, topics: Sequence[str]) -> None:
        numbers = [float(line) for line in config.path.read_text().split()]
        super().__init__([make_record(s, n, i) for i, n in enumerate(numbers) for s in "ab"])


class RecordingConfig(LineConfig):
    speed: float | str = "max"


class RecordingSource(LineSource):
    name = "mcap"
    Config = RecordingConfig


class LineSink(MemorySink):
    name = "jsonl"
    Config = LineConfig

    def __init__(self, config: LineConfig) -> None:
        super().__init__()
        self.path = config.path

    def close(self) -> None:
        super().close()
        self.path.write_text("".join(f"{p.tasks['it'].values}\n" for p in self.predictions))


def make_record(
    stream: str, number: Any, time: int, *, key: str = "k", partition: int = 0
) -> Record:
    envelope = Envelope(stream, key, time, Payload(number))
    return Record(stream, partition, time, write_envelope(envelope), arrived=1000 + time)


@pytest.fixture
def kit() -> SimpleNamespace:
    return SimpleNamespace(record=make_record, Trained=Trained, Number=Number)


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def host(watcher: Watcher) -> PluginHost:
    return PluginHost(entry_points=[], modules=[watcher])


@pytest.fixture
def make_pipeline() -> Callable[..., Pipeline]:
    """A pipeline of the streams `a` and `b`, exactly aligned, whose numbers are added."""

    def make(
        modality: type[Modality] = Number,
        checkpoint: Path | None = None,
        executor: str = "local",
        **batch: Any,
    ) -> Pipeline:
        config = PipelineConfig.model_validate(
            {
                "pipeline": "adding",
                "streams": {name: {"modality": "number"} for name in "ab"},
                "align": {"policy": "exact"},
                "fusion": {"plugin": "sum"},
                "tasks": {"it": {"type": "value"}},
                "runtime": {"executor": executor, "batch": {"size": 4, **batch}, "threads": 2},
            }
        )
        streams = {
            name: StreamPart(
                name=name,
                topic=name,
                modality=modality,
                config=PluginConfig(),
                spec=StreamSpec(),
                format="auto",
                fields=FieldMap(),
                device="auto",
                batch_size=batch.get("size", 4),
            )
            for name in "ab"
        }
        return Pipeline(
            name="adding",
            streams=streams,
            policy=Exact(require="any"),
            fusion=Sum,
            fusion_config=PluginConfig(),
            fusion_device="auto",
            tasks={"it": TaskPart("it", Value(PluginConfig()), None, 1.0)},
            source=None,
            source_config=None,
            sink=None,
            sink_config=None,
            checkpoint=checkpoint,
            config=config,
        )

    return make
