"""The line from Kafka to Kafka, on a real Apache Kafka."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from kafka_records import chunk, read, send
from kafka_runs import run_to_end

from sensorium.errors import RunError
from sensorium.events import DeadLetter
from sensorium.plugin import Record, TopicPartition
from sensorium.wire import prediction_from_dict
from sensorium_plugins.sinks import KafkaSink, KafkaSinkConfig
from sensorium_plugins.sources import KafkaSource, KafkaSourceConfig

SECOND = 1_000_000_000
NewTopic = Callable[..., str]


def source_of(broker: str, topics: Sequence[str], start: str = "earliest") -> KafkaSource:
    config = KafkaSourceConfig.model_validate({"bootstrap_servers": broker, "start": start})
    return KafkaSource(config, topics)


def take(source: KafkaSource, count: int) -> list[Record]:
    found: list[Record] = []
    end = time.monotonic() + 20
    while len(found) < count and time.monotonic() < end:
        found += source.poll(100, 0.1).records
    return found


def pipeline_of(broker: str, topics: dict[str, str], out: str, letters: str) -> dict[str, Any]:
    stream = {"modality": "sensor-stats", "config": {"channels": 3, "rate": 50}}
    return {
        "pipeline": "watch",
        "source": {"plugin": "kafka", "bootstrap_servers": broker, "start": "earliest"},
        "streams": {name: {**stream, "topic": topic} for name, topic in topics.items()},
        "align": {"policy": "window", "size": "1s", "require": "any", "deadline": "20s"},
        "fusion": {"plugin": "mean"},
        "tasks": {"moves": {"type": "classification", "labels": ["yes", "no"]}},
        "sink": {
            "plugin": "kafka",
            "bootstrap_servers": broker,
            "topic": out,
            "dead_letters": letters,
        },
    }


@pytest.mark.parametrize("partitions", [1, 3])
def test_events_become_predictions_and_what_is_broken_a_dead_letter(
    broker: str, new_topic: NewTopic, partitions: int
) -> None:
    accel, gyro = new_topic(partitions), new_topic(partitions)
    out, letters = new_topic(), new_topic()
    start = time.time_ns() // SECOND * SECOND - 3 * SECOND
    for topic in (accel, gyro):
        send(broker, topic, [chunk(f"p{n}", start + at * SECOND // 5) for n in range(4)
                             for at in range(10)])  # fmt: skip
    broken = {"key": b"p1", "value": b"\x82\xa1v", "headers": [("trace", b"7")]}
    send(broker, gyro, [broken])
    pipeline = pipeline_of(broker, {"accel": accel, "gyro": gyro}, out, letters)
    summary = run_to_end(pipeline)
    assert summary.events == 80
    assert summary.fates == {"matched": 80}

    found = read(broker, out, summary.predictions)
    predictions = [prediction_from_dict(json.loads(one.value)) for one in found]
    assert len(predictions) == summary.predictions == 8
    assert {one.key for one in found} == {b"p0", b"p1", b"p2", b"p3"}
    assert len({one.id for one in predictions}) == 8
    origins = [it for one in predictions for them in one.members.values() for it in them]
    assert len(origins) == len(set(origins)) == 80

    (letter,) = read(broker, letters, 1)
    headers = dict(letter.headers)
    assert letter.value == broken["value"]
    assert headers["trace"] == b"7"
    assert headers["sensorium-stage"] == b"ingest"
    assert headers["sensorium-topic"] == gyro.encode()
    assert headers["sensorium-error"] == b"WireError"
    assert int(headers["sensorium-offset"]) >= 0


def test_a_second_run_from_the_earliest_gives_the_same_ids(
    broker: str, new_topic: NewTopic
) -> None:
    accel, out, letters = new_topic(), new_topic(), new_topic()
    start = time.time_ns() // SECOND * SECOND - 3 * SECOND
    send(broker, accel, [chunk("p", start + at * SECOND // 5) for at in range(10)])
    pipeline = pipeline_of(broker, {"accel": accel}, out, letters)
    for _ in range(2):
        run_to_end(pipeline)
    ids = [json.loads(one.value)["id"] for one in read(broker, out, 4)]
    assert len(ids) == 4
    assert ids[:2] == ids[2:]


def test_records_carry_coordinates_and_a_log_time_that_never_falls(
    broker: str, new_topic: NewTopic
) -> None:
    topic = new_topic(stamp="CreateTime")
    stamps = [5000, 3000, 9000]
    send(broker, topic, [{"value": b"x", "timestamp_ms": ms} for ms in stamps])
    source = source_of(broker, [topic])
    assert source.partitions() == [0]
    records = take(source, 3)
    source.close()
    source.close()
    ms = 1_000_000
    assert [one.arrived for one in records] == [5000 * ms, 5000 * ms, 9000 * ms]
    assert [one.time for one in records] == [5000 * ms, 3000 * ms, 9000 * ms]
    assert [one.origin for one in records] == [f"{topic}/0/{offset}" for offset in range(3)]


def test_the_brokers_stamp_is_no_event_time(broker: str, new_topic: NewTopic) -> None:
    topic = new_topic()
    before = time.time_ns()
    send(broker, topic, [{"value": b"x", "timestamp_ms": 5000}])
    source = source_of(broker, [topic])
    (record,) = take(source, 1)
    source.close()
    assert record.time is None
    assert record.arrived is not None
    assert record.arrived >= before - SECOND


def test_the_latest_start_reads_what_comes_from_now_on(broker: str, new_topic: NewTopic) -> None:
    topic = new_topic()
    send(broker, topic, [{"value": b"old"}])
    source = source_of(broker, [topic], "latest")
    source.partitions()
    send(broker, topic, [{"value": b"new"}])
    records = take(source, 1)
    source.close()
    assert [one.data for one in records] == [b"new"]


def test_an_empty_partition_is_known_to_be_read_to_the_clock(
    broker: str, new_topic: NewTopic
) -> None:
    topic = new_topic(2)
    config = KafkaSourceConfig.model_validate(
        {"bootstrap_servers": broker, "start": "earliest", "margin": "2s"}
    )
    source = KafkaSource(config, [topic], clock=lambda: 100 * SECOND)
    batch = source.poll(10, 0.1)
    source.close()
    assert batch.records == []
    assert batch.progress == {(topic, 0): 98 * SECOND, (topic, 1): 98 * SECOND}


def test_an_uncommitted_transaction_is_not_read(broker: str, new_topic: NewTopic) -> None:
    from kafka import KafkaProducer

    topic = new_topic()
    producer = KafkaProducer(bootstrap_servers=broker, transactional_id=f"t-{topic}")
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(topic, b"aborted")
    producer.flush()
    producer.abort_transaction()
    producer.begin_transaction()
    producer.send(topic, b"kept")
    producer.commit_transaction()
    producer.close()
    source = source_of(broker, [topic])
    records = take(source, 1)
    source.close()
    assert [one.data for one in records] == [b"kept"]


def test_topics_that_cannot_be_aligned_are_refused(broker: str, new_topic: NewTopic) -> None:
    one, three = new_topic(1), new_topic(3)
    source = source_of(broker, [one, three])
    with pytest.raises(RunError, match=f"equal numbers of part.*; there are {one} 1, {three} 3"):
        source.partitions()
    with pytest.raises(RunError, match="there is no topic nowhere; create it"):
        source_of(broker, ["nowhere"]).poll(1, 0.1)


def test_a_sink_without_its_topic_fails_and_says_which(broker: str) -> None:
    fields = {"topic": "nowhere", "dead_letters": "nowhere-else", "connect_timeout": "2s"}
    sink = KafkaSink(KafkaSinkConfig.model_validate({"bootstrap_servers": broker, **fields}))
    with pytest.raises(RunError, match="nowhere-else"):
        _bury_and_flush(sink)
    sink.close()


def _bury_and_flush(sink: KafkaSink) -> None:
    sink.write_dead_letters([DeadLetter("ingest", "WireError", "broken", data=b"x")])
    sink.flush()


def test_the_lag_is_what_lies_between_the_reader_and_the_end(
    broker: str, new_topic: NewTopic
) -> None:
    topic = new_topic()
    place = TopicPartition(topic, 0)
    now = time.time_ns()
    send(broker, topic, [chunk("p", now + at) for at in range(30)])
    source = source_of(broker, [topic])
    try:
        assert source.lag() == {}
        read = 0
        while read < 10:
            read += len(source.poll(10 - read, 0.5).records)
        assert source.lag() == {place: 20}
        read += len(take(source, 20))
        assert (read, source.lag()) == (30, {place: 0})

        # What comes while the partition is paused is seen, too: the brokers are asked.
        source.pause([place])
        send(broker, topic, [chunk("p", now + at) for at in range(30, 35)])
        end = time.monotonic() + 20
        while source.lag() != {place: 5} and time.monotonic() < end:
            assert not source.poll(100, 0.1).records
        assert source.lag() == {place: 5}
    finally:
        source.close()
