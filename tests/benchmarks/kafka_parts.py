"""What the benchmarks of Kafka share: topics, and a pipeline whose model costs nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import sensorium_plugins
from sensorium.events import TaskResult
from sensorium.hookspecs import hookimpl
from sensorium.host import Pipeline, PluginHost, load_pipeline
from sensorium.plugin import Features, FeatureSpec, Fusion, Task, TaskOutput
from sensorium.runtime import LocalExecutor, Models
from sensorium_plugins.modalities import SensorStats

# Of a script its own folder comes first, and `kafka` would be the benchmark of that name.
if sys.path[0] == str(Path(__file__).parent):
    sys.path.append(sys.path.pop(0))

PARTITIONS = 3


class Free(SensorStats):
    """Decodes as the sensors do, and computes nothing."""

    name = "free"
    feature = FeatureSpec(1)

    def prepare(self, items: Any) -> Any:
        return {"x": np.ones((len(items), 1), np.float32)}

    def encode(self, arrays: Any) -> Features:
        return Features(arrays["x"])


class FreeFusion(Fusion):
    """Gives every set the same scores."""

    name = "free-fusion"

    def fuse(self, present: Any, **features: Features) -> Mapping[str, TaskOutput]:
        rows = len(next(iter(present.values())))
        return {"it": TaskOutput(scores=np.full((rows, 2), 0.5, np.float32))}


class FreeTask(Task):
    """One of two labels."""

    name = "free-task"
    size = 2

    def activate(self, logits: Any) -> Any:
        return logits

    def result(self, activated: Any) -> TaskResult:
        return TaskResult("a", 0.5, {"a": 0.5, "b": 0.5})

    def target(self, value: Any) -> Any:
        raise NotImplementedError

    def loss(self, logits: Any, targets: Any) -> Any:
        raise NotImplementedError


class FreePlugins:
    """The plugins above."""

    @hookimpl
    def sensorium_modalities(self) -> list[Any]:
        return [Free]

    @hookimpl
    def sensorium_fusions(self) -> list[Any]:
        return [FreeFusion]

    @hookimpl
    def sensorium_tasks(self) -> list[Any]:
        return [FreeTask]


class Broker:
    """Topics of this run."""

    def __init__(self, address: str) -> None:
        self.address = address

    def topic(
        self, partitions: int = PARTITIONS, stamp: str = "CreateTime", cleanup: str = "delete"
    ) -> str:
        from kafka.admin import KafkaAdminClient, NewTopic

        name = f"bench-{uuid.uuid4().hex[:12]}"
        admin = KafkaAdminClient(bootstrap_servers=self.address)
        # The recordings are years old: without a limit of their age.
        config = {
            "message.timestamp.type": stamp,
            "retention.ms": "-1",
            "cleanup.policy": cleanup,
        }
        admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
        admin.close()
        return name


def pipeline(
    broker: Broker, topics: Mapping[str, str], delivery: str, **parts: Any
) -> dict[str, Any]:
    """The fields of a pipeline file."""
    kafka = {"plugin": "kafka", "bootstrap_servers": broker.address}
    stream = {"modality": "free", "config": {"channels": 3, "rate": 50}, "max_delay": "5s"}
    return {
        "pipeline": "bench",
        "source": {**kafka, "group": uuid.uuid4().hex, "start": "earliest", "margin": "100ms"},
        "streams": {name: {**stream, "topic": topic} for name, topic in topics.items()},
        "align": {"policy": "window", "size": "2s", "hop": "1s", "require": "any"},
        "fusion": {"plugin": "free-fusion"},
        "tasks": {"it": {"type": "free-task"}},
        "sink": {**kafka, "topic": broker.topic(), "dead_letters": broker.topic(1)},
        "delivery": delivery,
        **parts,
    }


def executor(fields: Mapping[str, Any], host: PluginHost, **more: Any) -> LocalExecutor:
    line: Pipeline = load_pipeline(dict(fields), plugins=host)
    modalities = line.modalities()
    fusion = line.fusion_for(modalities)
    assert line.source is not None
    assert line.sink is not None
    source = line.source(line.source_config, [it.topic for it in line.streams.values()])
    sink = line.sink(line.sink_config)
    return LocalExecutor(line, host, source, sink, models=Models(modalities, fusion), **more)


def serve(fields: str) -> None:
    """The engine, for ever."""
    host = PluginHost(entry_points=[], modules=[sensorium_plugins, FreePlugins()])
    executor(json.loads(fields), host).run()


@contextmanager
def process(script: str, *arguments: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A part of a benchmark as a process, killed at the end."""
    command = [sys.executable, script, "--part", json.dumps(arguments)]
    started = subprocess.Popen(command, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    try:
        yield started
    finally:
        started.kill()
        started.wait()
