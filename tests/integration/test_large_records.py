"""Records near what a topic takes, and beyond what clients send by default."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka_records import SECOND, chunk, read

from sensorium.cli import main
from sensorium.events import Prediction, TaskResult
from sensorium.plugin import Cut, CutPosition, TopicPartition
from sensorium_plugins.sinks import KafkaSink

Capture = pytest.CaptureFixture[str]
#: Of Kafka's topics, where nobody says otherwise.
LIMIT = 1_048_588
LARGE = 3_000_000


@pytest.fixture
def send(broker: str) -> Callable[..., None]:
    """Send records that may be large, one after the other."""
    from kafka import KafkaProducer

    def write(topic: str, *records: dict[str, Any]) -> None:
        producer = KafkaProducer(bootstrap_servers=broker, max_request_size=2 * LARGE)
        for record in records:
            producer.send(topic, **record).get(timeout=30)
        producer.close()

    return write


def letters(path: Path, capsys: Capture) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main(["dlq", "list", str(path), "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_a_letter_that_is_larger_than_its_topic_takes_goes_without_the_bytes(
    broker: str,
    pipeline_file: Callable[..., Path],
    send: Callable[..., None],
    capsys: Capture,
    delivery: str,
) -> None:
    path = pipeline_file()
    if delivery == "exactly_once":
        source = {**json.loads(path.read_text())["source"], "group": path.stem}
        path = pipeline_file(source=source, delivery=delivery)
    pipeline = json.loads(path.read_text())
    assert main(["topics", "create", str(path), "--partitions", "1"]) == 0
    accel, now = pipeline["streams"]["accel"]["topic"], time.time_ns()
    bad = {"key": b"p1", "value": b"{" * (LIMIT - 200), "headers": [("trace", b"7")]}
    send(accel, chunk("before", now - SECOND), bad, chunk("after", now - SECOND))

    assert main(["run", str(path), "--until-end"]) == 0
    if delivery == "at_least_once":  # a group's sets wait for what is yet to come
        found = read(broker, pipeline["sink"]["topic"], 2)
        assert {it.key for it in found} == {b"before", b"after"}
    (letter,) = letters(path, capsys)
    assert letter["origin"] == f"{accel}/0/1"
    assert letter["error"] == "WireError"
    assert f"and the topic takes {LIMIT}; they are at the origin)" in letter["message"]
    (written,) = read(broker, pipeline["sink"]["dead_letters"], 1)
    assert written.value is None
    assert written.key == b"p1"

    assert main(["dlq", "replay", str(path), "--all"]) == 0
    again = read(broker, accel, 4)[-1]
    assert (again.key, again.value) == (bad["key"], bad["value"])
    assert again.headers[0] == ("trace", b"7")


def test_where_topics_take_more_letters_are_whole_and_can_be_sent_again(
    broker: str, pipeline_file: Callable[..., Path], send: Callable[..., None], capsys: Capture
) -> None:
    from kafka.admin import KafkaAdminClient, NewTopic

    path = pipeline_file()
    pipeline = json.loads(path.read_text())
    accel, letters_to = pipeline["streams"]["accel"]["topic"], pipeline["sink"]["dead_letters"]
    more = {"max.message.bytes": str(2 * LARGE), "message.timestamp.type": "LogAppendTime"}
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics([NewTopic(it, 1, 1, topic_configs=more) for it in (accel, letters_to)])
    admin.close()
    assert main(["topics", "create", str(path)]) == 0
    bad = {"key": b"k" * 2000, "value": b"{" * LARGE}
    # A prediction would hold it twice.
    body = {"time": time.time_ns() - SECOND, "data": [[0.0, 0.0, 1.0]] * 10}
    named = {"key": b"k" * (LIMIT // 2), "value": json.dumps(body).encode()}
    send(accel, bad, named, chunk("p1", time.time_ns() - SECOND))

    assert main(["run", str(path), "--until-end"]) == 0
    assert {it.key for it in read(broker, pipeline["sink"]["topic"], 1)} == {b"p1"}
    written, long = read(broker, letters_to, 2)
    assert (long.key, long.value) == (named["key"], named["value"])
    assert (written.key, written.value) == (bad["key"], bad["value"])
    assert main(["dlq", "replay", str(path), "--all"]) == 0
    again = read(broker, accel, 5)[3:]
    assert [it.value for it in again] == [bad["value"], named["value"]]


@pytest.mark.parametrize("transactions", [False, True])
def test_batches_are_no_larger_than_the_topic_takes(broker: str, transactions: bool) -> None:
    from kafka.admin import KafkaAdminClient, NewTopic

    out = f"small-{transactions}-{time.time_ns()}"
    small = {"max.message.bytes": "20000"}
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics([NewTopic(out, 1, 1, topic_configs=small), NewTopic(f"{out}.dead", 1, 1)])
    admin.close()
    sink = KafkaSink(
        KafkaSink.Config(bootstrap_servers=broker, topic=out, dead_letters=f"{out}.dead")
    )
    result = {"task": TaskResult(values=(1 / 3,) * 20)}
    if transactions:
        sink.begin("member")
    sink.write([Prediction(f"{number}", "p", "key", number, result) for number in range(300)])
    if transactions:
        place = TopicPartition(f"{out}.dead", 0)
        cut = Cut(1, {place: CutPosition(0, 0, None)}, "fingerprint")
        sink.commit({0: cut}, f"group-{out}")
    sink.flush()
    sink.close()
    found = [json.loads(it.value)["id"] for it in read(broker, out, 300)]
    assert found == [f"{number}" for number in range(300)]
