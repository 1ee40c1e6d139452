"""A replica that holds a model turns no call away, and works on two at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

import sensorium.demo
from sensorium.host import Pipeline, load_pipeline

pytest.importorskip("ray", reason="needs pip install 'sensorium'")
from sensorium.runtime.serve import _replicas
from sensorium.runtime.serve._application import deployment_options
from sensorium.runtime.serve._replicas import EncodeReplica
from sensorium.runtime.serve._settings import settings_of, topology_of
from sensorium.runtime.serve._shelf import Held

WATCH = Path(sensorium.demo.__file__).parent / "data" / "watch.yaml"


def watch(accel: Any, gyro: Any, fusion: Any, ingests: Any = 1, threads: int = 2) -> Pipeline:
    """The demo's pipeline, its streams and its fusion on so many replicas, or inline."""
    file = yaml.safe_load(WATCH.read_text())
    del file["checkpoint"]
    parts = [(file["streams"]["accel"], accel), (file["streams"]["gyro"], gyro)]
    for part, replicas in [*parts, (file["fusion"], fusion)]:
        if replicas is not None:
            part |= {"placement": "replica", "replicas": replicas}
    file["runtime"] = {"ingest": {"replicas": ingests}, "threads": threads}
    return load_pipeline(file)


@pytest.mark.parametrize(
    "given",
    [
        (1, 1, 1),
        (1, 4, None),
        ({"min": 1, "max": 4}, 1, 2, {"min": 1, "max": 3}),
        (1, None, None, 2, 8),
    ],
)
def test_a_replica_takes_all_calls_that_may_be_under_way(given: tuple[Any, ...]) -> None:
    config = watch(*given).config
    models = [it for name, it in deployment_options(config, {}).items() if name != "ingest"]
    assert models
    for options in models:
        # What waits in front of one ingest replica's handle is bounded by what it has under way.
        under_way = options["max_queued_requests"] * config.runtime.ingest.replicas.max
        assert options["max_ongoing_requests"] > under_way


def test_a_replica_works_on_two_calls_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = watch(1, 1, None)
    replica = EncodeReplica(topology_of(pipeline), "accel")
    # Only its turns are asked for: no model is loaded.
    monkeypatch.setattr(EncodeReplica, "_load", lambda *_: Held("", object()))
    replica.reconfigure(settings_of(pipeline, ""))
    begun, go, begun_third = threading.Semaphore(0), threading.Event(), threading.Event()
    count = iter(range(1, 9))

    def encoded(*_: object) -> int:
        number = next(count)
        begun.release()
        if number == 3:
            begun_third.set()
        assert go.wait(20)
        return number

    monkeypatch.setattr(_replicas, "_encoded", encoded)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(replica.encode, "", {}, None) for _ in range(4)]
        try:
            assert begun.acquire(timeout=20)
            assert begun.acquire(timeout=20)
            assert not begun_third.wait(0.2)
        finally:
            go.set()
        assert sorted(it.result(20) for it in calls) == [1, 2, 3, 4]
