"""The conformance kit on the Kafka source and sink, with a real broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sensorium.errors import RunError
from sensorium.testing.conformance import SinkConformance, SourceConformance
from sensorium_plugins.sinks import KafkaSink
from sensorium_plugins.sources import KafkaSource

NewTopic = Callable[..., str]

pytestmark = pytest.mark.timeout(900)


def test_the_source_conforms(broker: str, new_topic: NewTopic) -> None:
    from kafka import KafkaProducer

    topic = new_topic(2)
    producer = KafkaProducer(bootstrap_servers=broker)
    for number in range(20):
        producer.send(topic, value=b"%d" % number, key=b"one", partition=number % 2)
    producer.close()
    settings = {
        "plugin": KafkaSource,
        "config": {"bootstrap_servers": broker, "start": "earliest"},
        "topics": [topic],
        "ends": False,
        "records": 20,
    }
    report = type("TestKafkaSource", (SourceConformance,), settings).report()
    assert report.ok, str(report)


def test_a_closed_source_does_not_connect_again() -> None:
    config = KafkaSource.Config(bootstrap_servers="127.0.0.1:1", start="earliest")
    source = KafkaSource(config, ["topic"])
    source.close()
    for call in (source.partitions, lambda: source.poll(10, 0.0)):
        with pytest.raises(RunError, match="the kafka source is closed; open a new one"):
            call()


def test_the_sink_conforms(broker: str, new_topic: NewTopic) -> None:
    topics: dict[Path, str] = {}

    class TestKafkaSink(SinkConformance):
        """Topics of its own for every check."""

        plugin = KafkaSink

        @classmethod
        def configure(cls, folder: Path) -> Mapping[str, Any]:
            topics[folder] = new_topic()
            return {
                "bootstrap_servers": broker,
                "topic": topics[folder],
                "dead_letters": new_topic(),
            }

        @classmethod
        def written(cls, folder: Path) -> Sequence[str]:
            return ids(broker, topics[folder])

    report = TestKafkaSink.report()
    assert report.ok, str(report)


def ids(broker: str, topic: str) -> list[str]:
    """The ids of all predictions in a topic of one partition."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=broker, enable_auto_commit=False)
    place = TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    end = consumer.end_offsets([place])[place]
    found: list[str] = []
    while consumer.position(place) < end:
        for records in consumer.poll(200).values():
            found += [json.loads(record.value)["id"] for record in records]
    consumer.close()
    return found
