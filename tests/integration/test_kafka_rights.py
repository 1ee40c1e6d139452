"""A cluster that asks for rights: which are enough, and what is said where one is missing."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka_broker import NoBrokerError
from kafka_records import chunk, make_topics, read, send
from kafka_rights import Right, RightsBroker, rights_broker
from kafka_runs import executor_of

import sensorium.demo
from sensorium.cli import main
from sensorium.errors import RunError

SECOND = 1_000_000_000
CHECKPOINT = Path(sensorium.demo.__file__).parent / "data" / "watch.safetensors"
LABELS = ["PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"]


@pytest.fixture(scope="module")
def asking() -> Iterator[RightsBroker]:
    try:
        with rights_broker() as broker:
            yield broker
    except NoBrokerError as error:
        pytest.skip(f"needs Apache Kafka: {error}")


@pytest.fixture
def fields(asking: RightsBroker) -> dict[str, Any]:
    """A pipeline that connects as the user, with topics and a group of its own."""
    name = f"rights-{uuid.uuid4().hex[:8]}"
    stream = {"modality": "sensor-stats", "config": {"channels": 3, "rate": 50}}
    limits = {"max_delay": "60s", "max_future": "60s", "max_duration": "1s"}
    topics = {it: f"{name}.{it}" for it in ("accel", "gyro", "out", "dead")}
    make_topics(asking.address, list(topics.values()))
    ends = {"plugin": "kafka", **asking.connection, "connect_timeout": "8s"}
    return {
        "pipeline": "watch",
        "source": {**ends, "start": "earliest", "group": name},
        "streams": {it: {**stream, **limits, "topic": topics[it]} for it in ("accel", "gyro")},
        "align": {"policy": "window", "size": "1s", "require": "any"},
        "fusion": {"plugin": "concat", "hidden": [64], "alpha": 3},
        "tasks": {"exercise": {"type": "classification", "labels": LABELS}},
        "checkpoint": str(CHECKPOINT),
        "sink": {**ends, "topic": topics["out"], "dead_letters": topics["dead"]},
    }


def needed(fields: dict[str, Any]) -> list[Right]:
    """What docs/kafka.md says that a pipeline needs."""
    group, out = fields["source"]["group"], fields["sink"]["topic"]
    rights = [
        ("READ", "GROUP", group),
        *[("READ", "TOPIC", it["topic"]) for it in fields["streams"].values()],
        ("WRITE", "TOPIC", out),
        ("WRITE", "TOPIC", fields["sink"]["dead_letters"]),
    ]
    if "carry" in fields["sink"]:
        rights += [(it, "TOPIC", fields["sink"]["carry"]) for it in ("READ", "WRITE")]
    if fields["delivery"] == "exactly_once":
        rights.append(("WRITE", "TRANSACTIONAL_ID", f"sensorium-{out}-{group}-*"))
    return rights


def log(asking: RightsBroker, fields: dict[str, Any], start: int, seconds: range) -> None:
    """Four records a second and stream, and one that cannot be read."""
    for stream in fields["streams"].values():
        records = [
            chunk("p", start + at * SECOND // 4)
            for at in range(4 * seconds.start, 4 * seconds.stop)
        ]
        send(asking.address, stream["topic"], records)
    send(asking.address, fields["streams"]["accel"]["topic"], [{"key": b"p", "value": b"\xff"}])


@pytest.mark.parametrize(
    ("delivery", "carries"),
    [("at_least_once", False), ("exactly_once", False), ("exactly_once", True)],
)
def test_these_rights_are_enough(
    asking: RightsBroker,
    fields: dict[str, Any],
    delivery: str,
    carries: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Settings of topics are not shown to this user, which is said, and no more than a warning."""
    fields["delivery"] = delivery
    if carries:
        fields["align"] = {"policy": "approximate", "max_interval": "100ms"}
        fields["sink"]["carry"] = f"{fields['pipeline']}-{uuid.uuid4().hex[:8]}.carry"
        make_topics(asking.address, [fields["sink"]["carry"]])
    asking.allow(needed(fields))
    log(asking, fields, time.time_ns() // SECOND * SECOND - 10 * SECOND, range(5))
    path = tmp_path / "watch.yaml"
    path.write_text(json.dumps(fields))
    assert main(["run", str(path), "--until-end"]) == 0
    told = capsys.readouterr()
    for stream in fields["streams"].values():
        assert f"topic {stream['topic']}" in told.err
    assert "does not show its settings to this user" in told.err
    # The last second goes on.
    assert len(read(asking.address, fields["sink"]["topic"], 4)) >= 4
    assert len(read(asking.address, fields["sink"]["dead_letters"], 1)) >= 1
    assert main(["topics", "describe", str(path)]) == 0
    assert "?" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("delivery", "missing"),
    [*(("at_least_once", it) for it in range(5)), *(("exactly_once", it) for it in range(6))],
)
def test_a_right_that_is_missing_is_told_at_once(
    asking: RightsBroker, fields: dict[str, Any], delivery: str, missing: int
) -> None:
    fields["delivery"] = delivery
    rights = needed(fields)
    _, kind, name = rights[missing]
    asking.allow(rights[:missing] + rights[missing + 1 :])
    log(asking, fields, time.time_ns() // SECOND * SECOND - 10 * SECOND, range(5))
    executor = executor_of(fields, until_end=True)
    with pytest.raises(RunError) as raised:
        executor.run()
    said = str(raised.value)
    # A topic that may not be described does not exist, as far as brokers say.
    assert "AuthorizationFailed" in said or "there is no topic" in said
    assert kind == "TRANSACTIONAL_ID" or name in said


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
@pytest.mark.parametrize("role", ["topic", "dead_letters"])
def test_a_right_that_is_taken_away_ends_the_run(
    asking: RightsBroker, fields: dict[str, Any], delivery: str, role: str
) -> None:
    """Trying again for ever would look like a run that goes on."""
    fields["delivery"] = delivery
    asking.allow(needed(fields))
    start = time.time_ns() // SECOND * SECOND - 20 * SECOND
    log(asking, fields, start, range(5))
    executor = executor_of(fields)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            executor.run()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert len(read(asking.address, fields["sink"]["topic"], 4)) >= 4
        asking.forbid(("WRITE", "TOPIC", fields["sink"][role]))
        log(asking, fields, start, range(5, 10))
        thread.join(40)
        assert not thread.is_alive()
    finally:
        executor.stop(now=True)
        thread.join(40)
    assert isinstance(raised[0], RunError)
    assert "TopicAuthorizationFailed" in str(raised[0])
    assert fields["sink"][role] in str(raised[0])
