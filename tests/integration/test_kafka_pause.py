"""A partition that was paused is read on when it is resumed, wherever it was paused."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from kafka_records import send

from sensorium.plugin import TopicPartition
from sensorium_plugins.sources import KafkaSource

RECORDS = 400


def test_what_was_fetched_when_it_was_paused_is_given_when_it_is_resumed(
    broker: str, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(3)
    records = [{"value": b"%d" % at, "partition": at % 3} for at in range(3 * RECORDS)]
    send(broker, topic, records)
    source = KafkaSource(
        KafkaSource.Config(bootstrap_servers=broker, start="earliest"),
        [topic],
    )
    assert source.partitions() == [0, 1, 2]
    given: Counter[int] = Counter()
    try:
        end = time.monotonic() + 30
        turn = 0
        while given.total() < 3 * RECORDS and time.monotonic() < end:
            # In turn each is the only one that is read: the others are paused in the middle of
            # what has been fetched of them, as by back-pressure and `max_lead`.
            turn += 1
            others = {TopicPartition(topic, it) for it in range(3) if it != turn // 3 % 3}
            source.pause(others if turn % 3 else set())
            for record in source.poll(7, 0.05).records:
                given[record.partition] += 1
    finally:
        source.close()
    assert given == dict.fromkeys(range(3), RECORDS)
