"""Toy plugins of every kind, and a way to install distributions for real."""

from __future__ import annotations

import sys
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from pydantic import Field, SecretStr

from sensorium.durations import Duration, DurationField
from sensorium.errors import ConfigError
from sensorium.events import TaskResult
from sensorium.hookspecs import hookimpl
from sensorium.host import PluginHost
from sensorium.plugin import (
    Batch,
    Features,
    FeatureSpec,
    Fusion,
    Modality,
    PluginConfig,
    Policy,
    Sink,
    Source,
    Task,
    TaskOutput,
)


class ToySensor(Modality):
    """Sensor readings as their mean.

    More words.
    """

    name = "toy-sensor"

    class Config(PluginConfig):
        channels: int = Field(ge=1)
        rate: float = 50.0
        shape: tuple[int, ...] = ()
        settle: DurationField = 0

    def decode(self, payload: Any) -> Any:
        return payload.data

    def prepare(self, items: Sequence[Any]) -> Any:
        return {"x": np.zeros((len(items), self.config.channels))}

    @property
    def feature(self) -> FeatureSpec:
        return FeatureSpec(self.config.channels)

    def encode(self, arrays: Any) -> Features:
        return Features(arrays["x"])


class ToyText(ToySensor):
    """Text."""

    name = "toy-text"
    requires: ClassVar[tuple[str, ...]] = ("no_such_package_here",)

    class Config(PluginConfig):
        channels: int = 1


class ToyFusion(Fusion):
    """Joins everything."""

    name = "toy-fusion"

    class Config(PluginConfig):
        dim: int = 16

    def __init__(self, config: Any, features: Mapping[str, Any], tasks: Mapping[str, Any]) -> None:
        super().__init__(config, features, tasks)
        if config.dim > 1000:
            raise ConfigError("dim is too great for these streams")

    def fuse(self, present: Any, **features: Any) -> Mapping[str, TaskOutput]:
        return {}


class ToyTask(Task):
    """Tells labels apart."""

    name = "toy-classification"

    class Config(PluginConfig):
        labels: tuple[str, ...] = Field(min_length=1)

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        if len(set(config.labels)) < len(config.labels):
            raise ConfigError("a label is given twice")

    @property
    def size(self) -> int:
        return len(self.config.labels)

    def activate(self, logits: Any) -> Any:
        return logits

    def result(self, activated: Any) -> TaskResult:
        raise NotImplementedError

    def target(self, value: Any) -> Any:
        raise NotImplementedError

    def loss(self, logits: Any, targets: Any) -> Any:
        raise NotImplementedError


class ToyPolicy(Policy):
    """Windows."""

    name = "toy-window"
    size: DurationField
    hop: DurationField | None = None
    primary: str | None = None

    def extent(self, max_duration: Duration) -> Duration:
        return self.size + max_duration

    def matcher(self, streams: Any, specs: Any) -> Any:
        raise NotImplementedError

    def check(self, streams: Sequence[str]) -> None:
        super().check(streams)
        if self.primary is not None and self.primary not in streams:
            raise ValueError(f"primary names the stream {self.primary!r}; there are {streams}")


class ToySource(Source):
    """Reads nothing."""

    name = "toy-source"

    class Config(PluginConfig):
        url: str
        password: str = ""
        secret: SecretStr = SecretStr("")
        options: dict[str, list[str]] = Field(default_factory=dict)
        port: int = 80
        mode: Literal["a", "b"] = "a"

    def partitions(self) -> Sequence[int]:
        return [0]

    def poll(self, limit: int, timeout: float) -> Batch:
        return Batch(ended=True)

    def close(self) -> None:
        pass


class ToySink(Sink):
    """Writes nothing."""

    name = "toy-sink"

    class Config(PluginConfig):
        topic: str

    def write(self, predictions: Any) -> None:
        pass

    def write_dead_letters(self, letters: Any) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _module(name: str, **functions: Callable[..., Any]) -> types.ModuleType:
    module = types.ModuleType(name)
    for hook, function in functions.items():
        setattr(module, hook, hookimpl(function))
    return module


@pytest.fixture
def plugin_module() -> Callable[..., types.ModuleType]:
    """Make a plugin of functions, named as their hooks."""
    return _module


@pytest.fixture
def toy_classes() -> dict[str, type[Any]]:
    """The toy class of each kind."""
    return {
        "modality": ToySensor,
        "fusion": ToyFusion,
        "task": ToyTask,
        "policy": ToyPolicy,
        "source": ToySource,
        "sink": ToySink,
    }


@pytest.fixture
def host() -> PluginHost:
    """A host that has the toy plugins only."""
    toys = _module(
        "toys",
        sensorium_modalities=lambda: [ToySensor, ToyText],
        sensorium_fusions=lambda: [ToyFusion],
        sensorium_tasks=lambda: [ToyTask],
        sensorium_policies=lambda: [ToyPolicy],
        sensorium_sources=lambda: [ToySource],
        sensorium_sinks=lambda: [ToySink],
    )
    made = PluginHost(entry_points=(), modules=[toys])
    assert made.problems == []
    return made


@pytest.fixture
def pipeline_text() -> str:
    """A whole pipeline file for the toy plugins."""
    return textwrap.dedent("""\
        pipeline: watch
        source: {plugin: toy-source, url: "localhost:9092"}
        streams:
          accel: {modality: toy-sensor, topic: watch.accel, config: {channels: 3, rate: 50}}
          gyro:
            modality: toy-sensor
            max_delay: 5s
            config: {channels: 3, shape: [2, 3]}
            placement: replica
            resources: {num_cpus: 1, num_gpus: 0}
            replicas: {min: 1, max: 4}
            batch: {size: 32, wait: 5ms}
            device: auto
        align: {policy: toy-window, size: 2s, hop: 1s, require: any, deadline: 1s}
        fusion: {plugin: toy-fusion, dim: 32}
        tasks:
          exercise:
            type: toy-classification
            labels: [PEN, ABD, ROW]
            target: {stream: label, field: exercise}
        checkpoint: watch.safetensors
        sink: {plugin: toy-sink, topic: watch.predictions}
        delivery: exactly_once
        runtime: {executor: local}
        observe: {bind: 127.0.0.1, port: 9464}
        """)


@pytest.fixture
def pipeline_file(tmp_path: Path, pipeline_text: str) -> Path:
    """The file of `pipeline_text`."""
    path = tmp_path / "watch.yaml"
    path.write_text(pipeline_text)
    return path


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install distributions: a dist-info folder and modules on the path, as pip leaves them."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    before = set(sys.modules)

    def put(
        distribution: str, modules: Mapping[str, str], version: str = "1.0", **groups: str
    ) -> None:
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        )
        sections = groups or {"sensorium": "\n".join(f"{name} = {name}" for name in modules)}
        (info / "entry_points.txt").write_text(
            "".join(f"[{group.replace('__', '.')}]\n{lines}\n" for group, lines in sections.items())
        )
        for name, source in modules.items():
            (site / f"{name}.py").write_text(textwrap.dedent(source))

    yield put
    for name in set(sys.modules) - before:
        if str(site) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
