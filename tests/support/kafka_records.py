"""Records in and out of a real Apache Kafka, without the engine."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sensorium.plugin import Payload
from sensorium.wire import Envelope, write_envelope

SECOND = 1_000_000_000


def make_topics(address: str, names: Sequence[str]) -> None:
    """Make topics of one partition, whose records the broker stamps."""
    from kafka.admin import KafkaAdminClient, NewTopic

    admin = KafkaAdminClient(bootstrap_servers=address)
    stamped = {"message.timestamp.type": "LogAppendTime"}
    admin.create_topics([NewTopic(name, 1, 1, topic_configs=stamped) for name in names])
    admin.close()


def send(broker: str, topic: str, records: Sequence[Mapping[str, Any]]) -> None:
    """Send records, each the keyword arguments of ``KafkaProducer.send``, and wait for them."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=broker)
    sent = [producer.send(topic, **record) for record in records]
    producer.flush()
    for future in sent:
        future.get(timeout=10)
    producer.close()


def read(broker: str, topic: str, count: int) -> list[Any]:
    """What a topic holds, once so many records are there, and whatever is there beyond them."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=broker, enable_auto_commit=False)
    places = [TopicPartition(topic, at) for at in consumer.partitions_for_topic(topic) or ()]
    # Not by a subscription: it waits for a refresh of all metadata first.
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    found: list[Any] = []
    end = time.monotonic() + 30
    while len(found) < count and time.monotonic() < end:
        found += [one for those in consumer.poll(200).values() for one in those]
    found += [one for those in consumer.poll(200).values() for one in those]
    consumer.close()
    return found


def read_all(broker: str, topic: str, *, running: bool = False) -> list[Any]:
    """What a topic holds now, what was aborted left out.

    Brokers say that a transaction is committed before readers see it so. Where nobody writes any
    more, this waits for that; not while somebody is `running`.
    """
    from kafka import KafkaConsumer, TopicPartition

    settings = {"bootstrap_servers": broker, "enable_auto_commit": False}
    consumer = KafkaConsumer(**settings, isolation_level="read_committed")
    places = [TopicPartition(topic, at) for at in consumer.partitions_for_topic(topic) or ()]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    ends = consumer.end_offsets(places)
    if not running:
        uncommitted = KafkaConsumer(**settings)
        written = uncommitted.end_offsets(places)
        uncommitted.close()
        deadline = time.monotonic() + 60
        while any(ends[place] < written[place] for place in places):
            assert time.monotonic() < deadline, f"a transaction on {topic} stays open"
            time.sleep(0.05)
            ends = consumer.end_offsets(places)
    found: list[Any] = []
    while any(consumer.position(place) < ends[place] for place in places):
        found += [one for those in consumer.poll(200).values() for one in those]
    consumer.close()
    return found


def chunk(key: str, at: int, *, samples: int = 10) -> dict[str, Any]:
    """A chunk of a 50 Hz sensor with three channels, as an envelope."""
    envelope = Envelope(
        None, key, at, Payload(np.full((samples, 3), 1.0, "f4")), duration=samples * SECOND // 50
    )
    return {"key": key.encode(), "value": write_envelope(envelope)}
