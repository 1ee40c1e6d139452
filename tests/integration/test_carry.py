"""`approximate` in a group of a real Apache Kafka: what the log cannot tell is carried over."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from kafka_records import SECOND, chunk, read_all, send
from kafka_runs import executor_of

from sensorium.align import Carry
from sensorium.errors import ConfigError, RunError
from sensorium.runtime import RunSummary
from sensorium_plugins._kafka import KafkaConnection
from sensorium_plugins.sinks._kafka_carry import read_carried

NewTopic = Callable[..., str]

MS = 1_000_000
ROUNDS = 4
SECONDS_PER_ROUND = 5


@pytest.fixture(autouse=True)
def _ends_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that stands still it would never be time to."""
    monkeypatch.setattr("sensorium_plugins.sources._kafka._ASK_NS", 0)


@pytest.fixture
def fields(broker: str, new_topic: NewTopic) -> dict[str, Any]:
    """A pipeline with topics and a group of its own; its horizon is 3 s."""
    stream = {
        "modality": "sensor-stats",
        "config": {"channels": 3, "rate": 50},
        "lateness": "200ms", "max_delay": "1s", "max_future": "1s", "max_duration": "1s",
    }  # fmt: skip
    return {
        "pipeline": "pairs",
        "source": {
            "plugin": "kafka",
            "bootstrap_servers": broker,
            "start": "earliest",
            "session_timeout": "10s",
            "margin": "100ms",
        },
        "streams": {
            name: {**stream, "topic": new_topic(2, "CreateTime")} for name in ("left", "right")
        },
        "align": {"policy": "approximate", "max_interval": "250ms"},
        "fusion": {"plugin": "mean"},
        "tasks": {"moves": {"type": "classification", "labels": ["yes", "no"]}},
        "delivery": "exactly_once",
        **outputs(broker, new_topic),
    }


def outputs(broker: str, new_topic: NewTopic) -> dict[str, Any]:
    return {
        "sink": {
            "plugin": "kafka",
            "bootstrap_servers": broker,
            "topic": new_topic(),
            "dead_letters": new_topic(),
            "carry": new_topic(2),
            "transaction_timeout": "10s",
        }
    }


def in_group(fields: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The same in a group that has read nothing yet."""
    source = {**fields["source"], "group": f"group-{uuid.uuid4().hex}"}
    return {**fields, **changes, "source": source}


def run_at(fields: dict[str, Any], now: int) -> RunSummary:
    """Run it until it has read all that there is, at this time."""
    return executor_of(fields, until_end=True, clock=lambda: now + SECOND // 2).run()


def log_round(broker: str, fields: dict[str, Any], begin: int) -> int:
    """Append some seconds of both streams, each event halfway between two of the other: which of
    them go together depends on those before, on and on. Gives the time at which it ends."""
    end = begin + SECONDS_PER_ROUND * SECOND
    # What comes first decides. After a restart, which reads from some seconds back, it is `left`.
    for name, shift in (("left", 200 * MS), ("right", 100 * MS)):
        records = [
            {**chunk(key, time, samples=2), "timestamp_ms": time // MS, "partition": number}
            for time in range(begin + shift, end, 200 * MS)
            for number, key in enumerate(("p0", "p1"))
        ]
        send(broker, fields["streams"][name]["topic"], records)
    return end


def written(broker: str, fields: dict[str, Any]) -> list[tuple[str, Any]]:
    found = [json.loads(one.value) for one in read_all(broker, fields["sink"]["topic"])]
    return sorted((one["id"], one["members"]) for one in found)


def interrupted(broker: str, fields: dict[str, Any]) -> tuple[list[Any], int]:
    """What it writes, stopped after every round; and the time at which the log ends."""
    begin = time.time_ns() // SECOND * SECOND - 100 * SECOND
    for number in range(ROUNDS):
        begin = log_round(broker, fields, begin)
        summary = run_at(fields, begin)
        assert summary.predictions
        assert (summary.adopted > 0) == (number > 0)
    return written(broker, fields), begin


def test_stopped_and_started_it_writes_what_one_run_writes(
    broker: str, fields: dict[str, Any], new_topic: NewTopic
) -> None:
    stopped = in_group(fields)
    found, end = interrupted(broker, stopped)
    whole = in_group(fields, **outputs(broker, new_topic))
    run_at(whole, end)
    assert found == written(broker, whole)
    assert len(found) == len(dict(found)) > 100


def test_how_much_is_carried_is_measured(broker: str, fields: dict[str, Any]) -> None:
    fields = in_group(fields)
    end = log_round(broker, fields, time.time_ns() // SECOND * SECOND - 100 * SECOND)
    executor = executor_of(fields, until_end=True, clock=lambda: end)
    executor.run()
    measured = {one.name: one.value for one in executor.readings()}
    assert measured["sensorium_keys_carried"] == 2


def test_without_what_is_carried_it_would_not(
    broker: str, fields: dict[str, Any], new_topic: NewTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = in_group(fields, **outputs(broker, new_topic))
    with monkeypatch.context() as patch:
        patch.setattr(Carry, "load", lambda self, known, void=(): None)
        found, end = interrupted(broker, in_group(fields))
    run_at(whole, end)
    assert found != written(broker, whole)


def test_a_carry_topic_of_something_else_is_refused(
    broker: str, fields: dict[str, Any], new_topic: NewTopic
) -> None:
    fields = in_group(fields)
    end = log_round(broker, fields, time.time_ns() // SECOND * SECOND - 100 * SECOND)
    run_at(fields, end)
    fields["sink"]["carry"] = new_topic(2)
    end = log_round(broker, fields, end)
    before = written(broker, fields)
    with pytest.raises(RunError, match=r"what the sink carries is of no cut.*another `group`"):
        run_at(fields, end)
    assert written(broker, fields) == before


def test_a_carry_topic_with_too_few_partitions_is_refused(
    broker: str, fields: dict[str, Any], new_topic: NewTopic
) -> None:
    fields["sink"]["carry"] = new_topic(1)
    log_round(broker, fields, time.time_ns() - 100 * SECOND)
    with pytest.raises(RunError, match=r"has 1 partitions, and the partition numbers \[1\] of"):
        run_at(in_group(fields), time.time_ns())


def test_notes_that_are_being_written_are_waited_for(broker: str, new_topic: NewTopic) -> None:
    """Else a restart would take up those of the commit before."""
    from kafka import KafkaProducer

    config, topic = KafkaConnection(bootstrap_servers=broker), new_topic(1)
    producer = KafkaProducer(bootstrap_servers=broker, transactional_id=f"notes-{topic}")
    producer.init_transactions()
    for note in (b"old", b"new"):
        producer.begin_transaction()
        producer.send(topic, note, b"name", partition=0)
        producer.flush()
        if note == b"old":
            producer.commit_transaction()
    with pytest.raises(RunError, match=r"\[0\] of .*and nothing more for 2 s"):
        read_carried(config, topic, [0], 2.0)
    producer.commit_transaction()
    producer.close()
    assert read_carried(config, topic, [0], 30.0) == {0: {"name": b"new"}}


def test_it_has_to_be_committed_with_the_predictions(fields: dict[str, Any]) -> None:
    del fields["sink"]["carry"]
    with pytest.raises(ConfigError, match=r"sink: approximate keeps.*a `carry` topic"):
        executor_of(in_group(fields))
    with pytest.raises(ConfigError, match=r"align.policy: approximate keeps.*exactly_once"):
        executor_of(in_group(fields, delivery="at_least_once"))
