"""Cuts on a real Apache Kafka: a restart goes on, both deliveries, the group's rules."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from kafka_records import chunk, read, read_all, send
from kafka_runs import executor_of, run_to_end

from sensorium.errors import ConfigError, RunError
from sensorium_plugins.modalities import SensorStats
from sensorium_plugins.sources import KafkaSourceConfig

SECOND = 1_000_000_000
NewTopic = Callable[..., str]
DELIVERIES = ["at_least_once", "exactly_once"]


@pytest.fixture
def fields(group_fields: dict[str, Any]) -> dict[str, Any]:
    return group_fields


def ids(broker: str, fields: dict[str, Any], count: int) -> list[str]:
    found = read(broker, fields["sink"]["topic"], count)
    return [json.loads(one.value)["id"] for one in found]


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_second_run_goes_on_where_the_first_has_stopped(
    broker: str, fields: dict[str, Any], delivery: str
) -> None:
    fields["delivery"] = delivery
    start = time.time_ns() // SECOND * SECOND - 4 * SECOND
    topics = [it["topic"] for it in fields["streams"].values()]
    for topic in topics:
        send(broker, topic, [chunk(f"p{n}", start + at * SECOND // 5) for n in range(6)
                             for at in range(12)])  # fmt: skip
    first = run_to_end(fields)
    assert first.events == 144
    assert first.events == sum(first.fates.values())
    pending = first.fates.get("pending", 0)
    second = run_to_end(fields)
    assert second.events == 0
    assert second.records["replayed"] > 0
    assert second.adopted == pending
    assert second.adopted == sum(second.fates.values()) + second.handed_over
    predictions = ids(broker, fields, first.predictions + second.predictions)
    assert len(predictions) == len(set(predictions)) == first.predictions + second.predictions


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_another_deadline_gives_what_was_pending_once(
    broker: str, fields: dict[str, Any], delivery: str, caplog: pytest.LogCaptureFixture
) -> None:
    fields["delivery"] = delivery
    fields["align"] = {"policy": "exact", "require": "any", "deadline": "50s"}
    start = time.time_ns() - 4 * SECOND
    one, other = (it["topic"] for it in fields["streams"].values())
    chunks = [chunk("p", start + at * SECOND // 5) for at in range(10)]
    send(broker, one, chunks)
    send(broker, other, chunks[:5])
    assert run_to_end(fields).predictions == 5
    fields["align"]["deadline"] = "40s"
    send(broker, other, chunks[5:])
    with caplog.at_level("INFO", logger="sensorium"):
        second = run_to_end(fields)
    assert "the deadline is 40s instead of 50s" in caplog.text
    assert (second.adopted, second.events, second.predictions) == (5, 5, 5)
    found = ids(broker, fields, 10)
    assert len(set(found)) == len(found) == 10


def test_a_cut_of_another_configuration_begins_with_what_it_had_not_settled(
    broker: str, fields: dict[str, Any], new_topic: NewTopic
) -> None:
    start = time.time_ns() // SECOND * SECOND - 4 * SECOND
    (topic, _) = [it["topic"] for it in fields["streams"].values()]
    send(broker, topic, [chunk("p", start + at * SECOND // 5) for at in range(12)])
    send(broker, topic, [{"key": b"p", "value": b"neither"}])
    first = run_to_end(fields)
    assert (first.events, first.dead_letters) == (12, 1)
    fields["align"]["size"] = "500ms"
    fields["streams"]["new"] = {**fields["streams"]["a"], "topic": new_topic(3)}
    send(broker, fields["streams"]["new"]["topic"], [chunk("p", time.time_ns())])
    summary = run_to_end(fields)
    # It has read all again, for the sets that it goes on with, and counted and buried nothing.
    assert summary.records["replayed"] == 13
    assert (summary.events, summary.dead_letters) == (1, 0)
    assert summary.events + summary.adopted == sum(summary.fates.values()) + summary.handed_over
    assert run_to_end(fields).records["replayed"] == 14


def test_a_group_that_began_behind_a_transaction_may_have_another_configuration(
    broker: str, fields: dict[str, Any]
) -> None:
    """What ends a transaction takes an offset, and is no record: none leads up to the cut."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=broker, transactional_id=uuid.uuid4().hex)
    producer.init_transactions()
    producer.begin_transaction()
    for stream in fields["streams"].values():
        for at in range(3):
            producer.send(stream["topic"], **chunk("p", time.time_ns() + at))
    producer.commit_transaction()
    producer.close()
    fields["source"]["start"] = "latest"
    fields["runtime"]["in_flight"] = {"sets": 1}  # a record at a time; what comes last is none
    assert run_to_end(fields).events == 0
    fields["align"]["size"] = "500ms"
    summary = run_to_end(fields)
    assert summary.events == 0
    assert summary.records["replayed"] >= 6  # more, where the group is shared out on the way


def test_records_that_are_gone_before_they_were_read_are_told(
    broker: str, fields: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    from kafka import TopicPartition
    from kafka.admin import KafkaAdminClient

    (topic, _) = [it["topic"] for it in fields["streams"].values()]
    now = time.time_ns()
    send(broker, topic, [{**chunk("p", now + at), "partition": 1} for at in range(9)])
    run_to_end(fields)
    assert "are gone" not in caplog.text
    send(broker, topic, [{**chunk("p", now + at), "partition": 1} for at in range(9, 20)])
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.delete_records({TopicPartition(topic, 1): 15})
    admin.close()
    with caplog.at_level("WARNING", logger="sensorium"):
        assert run_to_end(fields).events == 5
    # Once for each time that the partition was assigned.
    told = {it.getMessage() for it in caplog.records if "are gone" in it.getMessage()}
    assert len(told) == 1
    assert f"{topic}[1]@0: 15 records are gone" in told.pop()


def test_streams_begin_at_a_time(broker: str, fields: dict[str, Any]) -> None:
    topics = [it["topic"] for it in fields["streams"].values()]
    now = time.time_ns()
    for topic in topics:
        send(broker, topic, [chunk("p", now)])
    fields["source"]["start"] = "2100-01-01T00:00:00Z"
    assert run_to_end(fields).events == 0
    fields["source"] |= {"group": f"group-{uuid.uuid4().hex}", "start": "2020-01-01T00:00:00+01:00"}
    assert run_to_end(fields).events == 2


def test_offsets_of_something_else_are_refused(broker: str, fields: dict[str, Any]) -> None:
    from kafka import KafkaConsumer, TopicPartition
    from kafka.structs import OffsetAndMetadata

    topic = fields["streams"]["a"]["topic"]
    consumer = KafkaConsumer(bootstrap_servers=broker, group_id=fields["source"]["group"])
    consumer.assign([TopicPartition(topic, 1)])
    consumer.commit({TopicPartition(topic, 1): OffsetAndMetadata(0, "mine", -1)})
    consumer.close()
    with pytest.raises(RunError, match=r"\[1\] was not written by this version of sensorium"):
        run_to_end(fields)


def test_exactly_once_needs_a_group_and_approximate_has_none(fields: dict[str, Any]) -> None:
    fields["delivery"] = "exactly_once"
    del fields["source"]["group"]
    with pytest.raises(ConfigError, match="delivery: exactly_once needs a source that stores"):
        executor_of(fields)
    fields["delivery"] = "at_least_once"
    fields["source"]["group"] = "some"
    fields["align"] = {"policy": "approximate", "max_interval": "1s"}
    with pytest.raises(ConfigError, match=r"align.policy: approximate keeps"):
        executor_of(fields)


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_members_share_the_partition_numbers_and_lose_nothing(
    broker: str, fields: dict[str, Any], delivery: str
) -> None:
    fields["delivery"] = delivery
    topics = [it["topic"] for it in fields["streams"].values()]
    start = time.time_ns() // SECOND * SECOND
    one, two = executor_of(fields), executor_of(fields)
    threads = [threading.Thread(target=it.run) for it in (one, two)]
    threads[0].start()
    for at in range(7):
        for topic in topics:
            send(broker, topic, [chunk(f"p{n}", start + at * SECOND) for n in range(6)])
        # Nothing is told of a set before the next second's events: each round is waited for.
        read(broker, fields["sink"]["topic"], 6 * at)
        if at == 2:
            threads[1].start()
        if at == 4:
            one.stop()
            threads[0].join(60)
    two.stop()
    threads[1].join(60)
    assert not any(thread.is_alive() for thread in threads)
    found = [json.loads(it.value) for it in read(broker, fields["sink"]["topic"], 36)]
    sets = {it["id"]: it for it in found}
    assert len(sets) == 36
    assert all(len(it["members"]) == 2 for it in sets.values())
    if delivery == "exactly_once":
        assert len(found) == 36


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_models_slower_than_a_transaction_may_be_open_are_waited_for(
    broker: str, fields: dict[str, Any], delivery: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in flight takes several times the time-out, after which brokers take back what a
    transaction wrote."""
    fields["delivery"] = delivery
    fields["sink"]["transaction_timeout"] = "1s"
    fields["runtime"]["batch"] = {"size": 1}
    fields["runtime"]["threads"] = 1
    encode = SensorStats.encode

    def slow(self: SensorStats, arrays: Any) -> Any:
        time.sleep(0.2)
        return encode(self, arrays)

    monkeypatch.setattr(SensorStats, "encode", slow)
    start = time.time_ns() // SECOND * SECOND - 4 * SECOND
    topics = [it["topic"] for it in fields["streams"].values()]
    for topic in topics:
        send(broker, topic, [chunk(f"p{n}", start + at * SECOND) for n in range(4)
                             for at in range(3)])  # fmt: skip
    summary = run_to_end(fields)
    # The last second of each key goes on.
    assert summary.predictions == 8
    assert len(set(ids(broker, fields, 8))) == 8
    assert len(ids(broker, fields, 8)) == 8


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_ten_minutes_down_make_nothing_late(
    broker: str, fields: dict[str, Any], new_topic: NewTopic, delivery: str
) -> None:
    """The log goes on while no engine runs; the second one finds ten minutes of it.

    Instead of waiting, the first engine's clock is ten minutes slow, and producers stamp records.
    """
    fields["delivery"] = delivery
    for stream in fields["streams"].values():
        stream |= {"topic": new_topic(3, "CreateTime"), "max_delay": "5s"}
    topics = [it["topic"] for it in fields["streams"].values()]
    now = time.time_ns() // SECOND * SECOND
    begin = now - 620 * SECOND

    def log(seconds: range) -> None:
        for topic in topics:
            send(
                broker,
                topic,
                [
                    {
                        **chunk(f"p{n}", begin + at * SECOND),
                        "timestamp_ms": begin // 10**6 + at * 1000,
                    }
                    for at in seconds
                    for n in range(6)
                ],
            )

    log(range(10))
    first = executor_of(fields, until_end=True, clock=lambda: time.time_ns() - 610 * SECOND).run()
    log(range(30, 610))  # the first one's clock may have got as far as that
    second = run_to_end(fields)
    for summary in (first, second):
        assert not summary.fates.get("late", 0)
        assert not summary.fates.get("invalid", 0)
    found = [json.loads(it.value) for it in read_all(broker, fields["sink"]["topic"])]
    sets = {(it["key"], it["time"]): it for it in found}
    assert len(sets) == len(found)
    assert all(len(it["members"]) == 2 for it in found)
    settled = [*range(10), *range(30, 608)]
    assert set(sets) >= {(f"p{n}", begin + at * SECOND) for n in range(6) for at in settled}


def test_partitions_that_come_later_are_read_too(
    broker: str, fields: dict[str, Any], new_topic: NewTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member rejoins by itself when topics have grown, and is through with it."""
    from kafka.admin import KafkaAdminClient

    settings = KafkaSourceConfig.settings
    often = {"metadata_max_age_ms": 1000}  # and not each five minutes
    monkeypatch.setattr(KafkaSourceConfig, "settings", lambda self: settings(self) | often)
    for stream in fields["streams"].values():
        stream["topic"] = new_topic(1)
    topics = [it["topic"] for it in fields["streams"].values()]
    start = time.time_ns() // SECOND * SECOND
    executor = executor_of(fields)
    thread = threading.Thread(target=executor.run)
    thread.start()
    try:
        for topic in topics:
            send(broker, topic, [chunk("p", start + at * SECOND) for at in range(3)])
        read(broker, fields["sink"]["topic"], 2)
        admin = KafkaAdminClient(bootstrap_servers=broker)
        admin.create_partitions(dict.fromkeys(topics, 3))
        admin.close()
        time.sleep(3)  # the producer has to know of them, too
        for topic in topics:
            send(
                broker,
                topic,
                [
                    {**chunk(f"p{number}", start + at * SECOND), "partition": number}
                    for number in range(3)
                    for at in (3, 4)
                ],
            )
        found = [json.loads(it.value) for it in read(broker, fields["sink"]["topic"], 5)]
    finally:
        executor.stop()
        thread.join(60)
    assert {it["key"] for it in found} == {"p", "p0", "p1", "p2"}
