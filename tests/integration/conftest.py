"""One real broker and one real model server for all the tests that need one."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka_broker import NoBrokerError, OwnBroker, kafka_broker, own_broker
from triton_server import NoTritonError, TritonServer, triton_server

import sensorium.demo

_NUMBERS = itertools.count()
#: Names are new in every run: the broker may be one that goes on.
_RUN = uuid.uuid4().hex[:8]
_LABELS = ["PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"]
_CHECKPOINT = Path(sensorium.demo.__file__).parent / "data" / "watch.safetensors"


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """The address of an Apache Kafka."""
    try:
        with kafka_broker() as address:
            yield address
    except NoBrokerError as error:
        pytest.skip(f"needs Apache Kafka: {error}")


@pytest.fixture
def new_topic(broker: str) -> Iterator[Callable[..., str]]:
    """Make a topic whose records the broker stamps, and give its name."""
    from kafka.admin import KafkaAdminClient, NewTopic

    admin = KafkaAdminClient(bootstrap_servers=broker)

    def make(partitions: int = 1, stamp: str = "LogAppendTime", cleanup: str = "delete") -> str:
        name = f"topic-{_RUN}-{next(_NUMBERS)}"
        config = {"message.timestamp.type": stamp, "cleanup.policy": cleanup}
        admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
        return name

    yield make
    admin.close()


@pytest.fixture
def own() -> Iterator[OwnBroker]:
    """A broker of this test's own, since it is hurt."""
    try:
        with own_broker() as broker:
            yield broker
    except NoBrokerError as error:
        pytest.skip(f"needs Apache Kafka: {error}")


@pytest.fixture
def group_fields(broker: str, new_topic: Callable[..., str]) -> dict[str, Any]:
    """A pipeline with topics and a group of its own."""
    stream = {"modality": "sensor-stats", "config": {"channels": 3, "rate": 50}}
    limits = {"max_delay": "60s", "max_future": "60s", "max_duration": "1s"}
    return {
        "pipeline": "watch",
        "source": {
            "plugin": "kafka",
            "bootstrap_servers": broker,
            "start": "earliest",
            "group": f"group-{uuid.uuid4().hex}",
            "session_timeout": "10s",
            "margin": "100ms",
        },
        "streams": {name: {**stream, **limits, "topic": new_topic(3)} for name in ("a", "g")},
        "align": {"policy": "window", "size": "1s", "require": "any"},
        "fusion": {"plugin": "mean"},
        "tasks": {"moves": {"type": "classification", "labels": ["yes", "no"]}},
        "sink": {
            "plugin": "kafka",
            "bootstrap_servers": broker,
            "topic": new_topic(),
            "dead_letters": new_topic(),
            "transaction_timeout": "10s",
        },
        "runtime": {"commit_interval": "100ms"},
    }


@pytest.fixture
def pipeline_file(broker: str, tmp_path: Path) -> Callable[..., Path]:
    """Write a pipeline of the streams ``accel`` and ``gyro``, with topics of the test's own.

    The topics are named ``NUMBER.accel``, ``.gyro``, ``.out`` and ``.dead``, and are not made.
    Parts given by name replace the file's.
    """

    def write(**parts: Any) -> Path:
        name = f"watch-{_RUN}-{next(_NUMBERS)}"
        stream = {"modality": "sensor-stats", "config": {"channels": 3, "rate": 50}}
        fields = {
            "pipeline": name,
            "source": {"plugin": "kafka", "bootstrap_servers": broker, "start": "earliest"},
            "streams": {
                "accel": {**stream, "topic": f"{name}.accel"},
                "gyro": {**stream, "topic": f"{name}.gyro"},
            },
            "align": {"policy": "window", "size": "1s", "require": "any", "deadline": "20s"},
            "fusion": {"plugin": "concat", "hidden": [64], "alpha": 3},
            "tasks": {"exercise": {"type": "classification", "labels": _LABELS}},
            "checkpoint": str(_CHECKPOINT),
            "sink": {
                "plugin": "kafka",
                "bootstrap_servers": broker,
                "topic": f"{name}.out",
                "dead_letters": f"{name}.dead",
            },
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(json.dumps({**fields, **parts}))
        return path

    return write


#: What the server has: a modality's encoder in batches, and one without that refuses large items;
#: sequences; a fusion.
_TEXT: dict[str, Any] = {
    "serve": {"kind": "modality", "name": "text-tfidf", "config": {"dim": 64}},
    "inputs": {"counts": ("FP32", [64])},
    "outputs": {"features": ("FP32", [64])},
    "max_batch_size": 8,
}
_MODELS = {
    "text": _TEXT,
    "text-unbatched": {
        "serve": {**_TEXT["serve"], "refuse_above": 5},
        "inputs": {"counts": ("FP32", [-1, 64])},
        "outputs": {"features": ("FP32", [-1, 64])},
        "max_batch_size": 0,
    },
    "steps": {
        "serve": {"kind": "echo"},
        "inputs": {"signal": ("FP32", [-1, 3]), "mask": ("BOOL", [-1])},
        "outputs": {"features": ("FP32", [-1, 3]), "steps": ("BOOL", [-1])},
        "max_batch_size": 2,
    },
    "mood": {
        "serve": {
            "kind": "fusion",
            "name": "concat",
            "labels": ["calm", "upset"],
            "features": {"chat": 64, "room": 2},
        },
        "inputs": {"chat": ("FP32", [64]), "room": ("FP32", [2]), "present": ("BOOL", [2])},
        "outputs": {"mood": ("FP32", [2]), "shares": ("FP32", [2])},
        "max_batch_size": 16,
    },
}


@pytest.fixture(scope="session")
def _triton() -> Iterator[TritonServer]:
    try:
        with triton_server(_MODELS) as server:
            yield server
    except NoTritonError as error:
        pytest.skip(f"needs a Triton Inference Server: {error}")


@pytest.fixture
def triton(_triton: TritonServer) -> TritonServer:
    """A Triton server that runs; a test may kill it and start it again."""
    _triton.ensure()
    return _triton
