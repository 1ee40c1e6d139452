"""One Ray for all the tests of this folder, and small pipelines whose outputs tell their model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kafka_records import read_all
from serve_kafka import MakePipeline, Predictions

from sensorium.host import (
    Pipeline,
    PluginHost,
    default_host,
    load_pipeline,
    write_checkpoint,
)
from sensorium.plugin import Payload, Record
from sensorium.wire import Envelope, RecordingWriter, write_envelope

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
OBJECT_STORE = 100_000_000
SUPPORT = Path(__file__).parents[2] / "support"


@pytest.fixture(scope="session")
def plugins_everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`serve_plugins` as an installed distribution, here and in every process that is started."""
    site = tmp_path_factory.mktemp("site")
    info = site / "serve_plugins-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: serve-plugins\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[sensorium]\nserve = serve_plugins\n")
    paths = [str(site), str(SUPPORT)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]))
        patch.setattr(sys, "path", [*paths, *sys.path])
        # The host of this process may have been made before, without this distribution.
        default_host.cache_clear()
        yield
    default_host.cache_clear()


@pytest.fixture(scope="session")
def ray_here(plugins_everywhere: None) -> Iterator[Any]:
    """A Ray that the tests of this folder share: the executor uses the one that is connected.

    `SENSORIUM_TEST_RAY=host:port` names one that runs already; its processes have to find the
    plugins of ``tests/support/serve_plugins.py``.
    """
    from sensorium.runtime.serve import cluster

    with cluster(os.environ.get("SENSORIUM_TEST_RAY"), cpus=16) as here:
        yield here


@pytest.fixture(scope="session")
def host(plugins_everywhere: None) -> PluginHost:
    return PluginHost()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Write weights for `adding`: the scale of every stream, and the bias."""

    def write(name: str = "one", scale: float = 1.0, bias: float = 0.0) -> Path:
        path = tmp_path / f"{name}.safetensors"
        weights = {f"streams.{stream}.scale": np.array([scale]) for stream in "ab"}
        write_checkpoint(path, weights | {"fusion.bias": np.array([bias])}, {})
        return path

    return write


@pytest.fixture
def numbers(tmp_path: Path) -> Callable[..., Path]:
    """Record numbers, one a step, alike in the streams `a` and `b` of some keys."""

    def write(values: Sequence[Any], keys: int = 1, step: int = SECOND // 10) -> Path:
        path = tmp_path / f"numbers-{len(values)}.mcap"
        with RecordingWriter(path) as writer:
            for at, value in enumerate(values):
                for number, (key, stream) in enumerate((k, s) for k in range(keys) for s in "ab"):
                    time = START + at * step
                    data = write_envelope(Envelope(stream, f"k{key}", time, Payload(value)))
                    writer.write(Record(stream, 0, at * keys + key, data, arrived=time + number))
        return path

    return write


@pytest.fixture
def adding(host: PluginHost, checkpoint: Callable[..., Path]) -> Callable[..., Pipeline]:
    """The streams `a` and `b`, each in a deployment of its own as the fusion is, added."""

    def make(*overrides: str, weights: Path | None = None, **config: Any) -> Pipeline:
        stream = {"modality": "scaled", "config": config, "placement": "replica"}
        return load_pipeline(
            {
                "pipeline": "adding",
                "streams": dict.fromkeys("ab", stream),
                "align": {"policy": "exact", "require": "any", "deadline": "1s"},
                "fusion": {"plugin": "adding", "placement": "replica"},
                "tasks": {"sum": {"type": "regression"}},
                "checkpoint": str(weights or checkpoint()),
                "runtime": {"batch": {"size": 8}},
            },
            overrides=overrides,
            plugins=host,
        )

    return make


@pytest.fixture
def kill(ray_here: object) -> Callable[[str], None]:
    """Kill the process of a replica of a deployment, or Serve's controller, as the kernel would."""
    import ray

    def process_id(name: str) -> int:
        actor = ray.get_actor(name, namespace="serve")
        return ray.get(actor.__ray_call__.remote(lambda _: os.getpid()))

    def run(deployment: str) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            names = [it["name"] for it in ray.util.list_named_actors(all_namespaces=True)]
            replicas = [it for it in names if it.startswith("SERVE_") and deployment in it]
            for name in replicas:
                try:
                    os.kill(process_id(name), signal.SIGKILL)
                except (ValueError, ray.exceptions.RayError):
                    continue  # it has just died, and its successor is not there yet
                return
        raise AssertionError(f"there is no replica of {deployment}")

    return run


@pytest.fixture
def add_node(ray_here: object) -> Iterator[Callable[[str], Callable[[], None]]]:
    """Add to Ray a node with some kind of accelerator; gives what kills all its processes."""
    import psutil
    import ray

    processes = []

    def alive() -> int:
        return sum(bool(node["Alive"]) for node in ray.nodes())

    def wait_for_nodes(count: int) -> None:
        deadline = time.monotonic() + 90
        while alive() != count:
            assert time.monotonic() < deadline, f"{alive()} nodes instead of {count}"
            time.sleep(0.2)

    def kill(process: psutil.Popen) -> None:
        if process.is_running():
            for one in (*process.children(recursive=True), process):
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            process.wait(30)

    def add(accelerator: str) -> Callable[[], None]:
        before = alive()
        command = [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=8",
            f"--address={ray.get_runtime_context().gcs_address}",
            f"--node-ip-address={ray.util.get_node_ip_address()}",
            f"--object-store-memory={OBJECT_STORE}",
            f"--resources={json.dumps({f'accelerator_type:{accelerator}': 8})}",
        ]  # fmt: skip
        process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        processes.append(process)
        wait_for_nodes(before + 1)
        return partial(kill, process)

    before = alive()
    yield add
    for process in filter(psutil.Popen.is_running, processes):
        # Told to end, a node says so to the others, which else would wait for it for a while.
        raylets = [it for it in process.children(recursive=True) if "raylet" in it.name()]
        for raylet in raylets:
            raylet.terminate()
        psutil.wait_procs(raylets, 20)
        kill(process)
    wait_for_nodes(before)


@pytest.fixture
def deployed(ray_here: Any) -> Iterator[Callable[[Pipeline], None]]:
    """Deploy, and leave nothing behind."""
    from ray import serve

    from sensorium.runtime.serve import deploy

    names = set()

    def run(pipeline: Pipeline) -> None:
        names.add(pipeline.name)
        deploy(pipeline, ray_here)

    yield run
    for name in names:
        serve.delete(name)


@pytest.fixture
def topics(new_topic: Callable[..., str]) -> dict[str, str]:
    return {"a": new_topic(4), "b": new_topic(4), "out": new_topic(), "dead": new_topic()}


@pytest.fixture
def group() -> str:
    return f"group-{uuid.uuid4().hex}"


@pytest.fixture
def shared(adding: MakePipeline, broker: str, topics: dict[str, str], group: str) -> MakePipeline:
    """`adding` on topics of four partitions, in a group, exactly once."""
    source = {
        "plugin": "kafka", "bootstrap_servers": broker, "start": "earliest",
        "group": group, "session_timeout": "6s", "margin": "100ms",
    }  # fmt: skip
    sink = {
        "plugin": "kafka", "bootstrap_servers": broker, "topic": topics["out"],
        "dead_letters": topics["dead"], "transaction_timeout": "6s",
    }  # fmt: skip

    def make(*overrides: str, **config: Any) -> Pipeline:
        return adding(
            f"source={json.dumps(source)}",
            f"sink={json.dumps(sink)}",
            *(f"streams.{name}.topic={topics[name]}" for name in "ab"),
            "delivery=exactly_once",
            "align.deadline=30s",
            *overrides,
            **config,
        )

    return make


@pytest.fixture
def predictions(broker: str, topics: dict[str, str]) -> Predictions:
    """What has been committed so far."""

    def read() -> list[dict[str, Any]]:
        return [json.loads(it.value) for it in read_all(broker, topics["out"], running=True)]

    return read
