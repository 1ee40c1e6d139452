"""Notes that a sink has left in a compacted topic, read back."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any, Final

from sensorium.errors import RunError
from sensorium.plugin import TopicPartition
from sensorium_plugins._kafka import KafkaConnection, kafka_errors
from sensorium_plugins._kafka_batches import read_in_batches
from sensorium_plugins._kafka_ends import KafkaEnds
from sensorium_plugins._kafka_limits import insist

__all__ = ["read_carried"]

_LOG = logging.getLogger("sensorium.emit")

_POLL_MS: Final = 200
_POLL_RECORDS: Final = 10_000
_POSITION_MS: Final = 2_000
_PAUSE_SECONDS: Final = 0.2
#: How often it is said that they are still waited for.
_SAY_SECONDS: Final = 10.0


def read_carried(
    config: KafkaConnection, topic: str, numbers: Collection[int], patience: float
) -> dict[int, dict[str, bytes]]:
    """The newest note per name that committed transactions have written.

    Parameters
    ----------
    config
        How to reach the brokers.
    topic
        A compacted one.
    numbers
        Of which partitions.
    patience
        How many seconds may pass without a record: what the last owner of a partition was writing
        is open until brokers have marked it as committed or taken it back.

    Raises
    ------
    RunError
        If there is no such topic or partition, or the brokers do not give them in time.
    """
    from kafka import KafkaConsumer
    from kafka import TopicPartition as Place

    found: dict[int, dict[str, bytes]] = {number: {} for number in numbers}
    if not found:
        return found
    ends = KafkaEnds(config)
    with kafka_errors(config, f"reading the topic {topic}"):
        consumer = KafkaConsumer(
            **config.settings(),
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
        read_in_batches(consumer)
        try:
            _require(consumer, config, topic, numbers)
            places = [Place(topic, number) for number in numbers]
            consumer.assign(places)
            consumer.seek_to_beginning(*places)
            deadline = time.monotonic() + patience
            left = _ends(ends, topic, numbers, deadline)
            said = time.monotonic()
            while left := _unread(consumer, left):
                records = _poll(consumer)
                if records:
                    deadline = time.monotonic() + patience
                for record in records:
                    name = _name(record.key)
                    if name is None:
                        continue
                    if record.value is None:
                        found[record.partition].pop(name, None)
                    else:
                        found[record.partition][name] = record.value
                now = time.monotonic()
                if now > deadline:
                    raise _late(config, topic, left, patience)
                if now > said + _SAY_SECONDS:
                    said = now
                    _LOG.warning("still reading the partitions %s of %s", sorted(left), topic)
        finally:
            consumer.close()
            ends.close()
    return found


def _name(key: bytes | None) -> str | None:
    """The name of a note; None for what was never written as one."""
    try:
        return None if key is None else key.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def _require(consumer: Any, config: KafkaConnection, topic: str, numbers: Iterable[int]) -> None:
    ask = partial(consumer.partitions_for_topic, topic)
    there = insist(ask, what=f"the topic {topic}", stage="emit") or set()
    missing = sorted(set(numbers) - there)
    if missing:
        raise RunError(
            f"Kafka at {config.bootstrap_servers}: the topic {topic} has {len(there)} partitions, "
            f"and the partition numbers {missing} of the streams have no place there; make it with "
            "as many partitions as the streams' topics (`sensorium topics create PIPELINE`)"
        )


def _ends(ends: KafkaEnds, topic: str, numbers: Collection[int], deadline: float) -> dict[int, int]:
    """The high watermarks, so that no transaction that is still open is passed over."""
    wanted = [TopicPartition(topic, number) for number in numbers]
    while len(found := ends.ask(wanted)) < len(wanted) and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
    return {place.partition: found.get(place, 2**63) for place in wanted}


def _unread(consumer: Any, ends: dict[int, int]) -> dict[int, int]:
    left = {}
    for place in consumer.assignment():
        end = ends.get(place.partition)
        if end is None:
            continue
        position = consumer.position(place, timeout_ms=_POSITION_MS)
        if position is None or position < end:
            left[place.partition] = end
    return left


def _poll(consumer: Any) -> list[Any]:
    from kafka.errors import KafkaError

    try:
        fetched = consumer.poll(timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
    except KafkaError as error:
        if not error.retriable:
            raise
        time.sleep(_PAUSE_SECONDS)
        return []
    return [record for records in fetched.values() for record in records]


def _late(config: KafkaConnection, topic: str, left: Iterable[int], patience: float) -> RunError:
    return RunError(
        f"Kafka at {config.bootstrap_servers} has not given all of the partitions {sorted(left)} "
        f"of {topic}, and nothing more for {patience:g} s; a transaction may be open there that "
        "the brokers do not end. Look at their logs, and start again"
    )
