"""Messages sent many at a time lie in the batches that `KafkaProducer.send` puts them into."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import kafka
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.producer.record_accumulator import RecordAccumulator
from kafka.record import MemoryRecords

from sensorium_plugins._kafka_partitioner import key_partitioner
from sensorium_plugins._kafka_sending import send_alike

TOPIC = "out"
HEADERS = [("content-type", b"application/json")]
LARGE = b"v" * 70_000


class Transactions:
    """Notes which partitions a transaction has."""

    def __init__(self) -> None:
        self.places: Counter[int] = Counter()
        self.error: KafkaError | None = None

    def is_transactional(self) -> bool:
        return True

    def maybe_add_partition_to_transaction(self, place: Any) -> None:
        if self.error is not None:
            raise self.error
        self.places[place.partition] += 1


class Unconnected(KafkaProducer):  # type: ignore[misc]
    """A producer that is connected to nothing: what is sent stays in its batches."""

    def __init__(self) -> None:
        pass

    def __del__(self) -> None:
        """Not flushed: nobody would take it."""


def producer(partitions: int = 3, transactions: Transactions | None = None) -> Any:
    one: Any = Unconnected()
    one.config = {
        **KafkaProducer.DEFAULT_CONFIG,
        "api_version": (4, 0),
        "partitioner": key_partitioner(),
    }
    one._closed = False
    one._metadata = SimpleNamespace(
        topics=lambda: {TOPIC},
        partitions_for_topic=lambda topic: set(range(partitions)) if topic == TOPIC else None,
        available_partitions_for_topic=lambda topic: set(range(partitions)),
    )
    one._accumulator = RecordAccumulator()
    one._transaction_manager = transactions
    one.woken = 0
    one._sender = SimpleNamespace(wakeup=lambda: setattr(one, "woken", one.woken + 1))
    return one


def held(one: Any) -> dict[int, list[list[tuple[Any, ...]]]]:
    """Per partition, the batches and what is in them; not when it was."""
    found: dict[int, list[list[tuple[Any, ...]]]] = {}
    for place, batches in one._accumulator._batches.items():
        for batch in batches:
            batch.records.close()
            (read,) = MemoryRecords(bytes(batch.records.buffer()))
            records = [(it.offset, it.key, it.value, it.headers) for it in read]
            found.setdefault(place.partition, []).append(records)
    return found


messages = st.lists(
    st.tuples(st.binary(max_size=8), st.one_of(st.binary(max_size=2000), st.just(LARGE))),
    max_size=60,
)


@given(messages, st.integers(1, 5))
def test_they_are_where_and_what_they_would_be(
    those: list[tuple[bytes, bytes]], partitions: int
) -> None:
    theirs, ours = producer(partitions), producer(partitions)
    wanted = [theirs.send(TOPIC, value, key, HEADERS) for key, value in those]
    found = list(send_alike(ours, TOPIC, those, HEADERS))
    assert held(ours) == held(theirs)
    told = [
        [(it._produce_future.topic_partition, it.args[0], *it.args[3:]) for it in futures]
        for futures in (found, wanted)
    ]
    assert told[0] == told[1]


def test_the_sender_is_woken_once_for_those_that_follow() -> None:
    one = producer()
    for _ in send_alike(one, TOPIC, [(b"%d" % it, bytes(500)) for it in range(200)], HEADERS):
        pass
    assert one.woken == 2  # for the first, and for all others
    several = producer()
    for number in range(200):
        several.send(TOPIC, bytes(500), b"%d" % number, HEADERS)
    assert several.woken > 2


def test_every_partition_is_added_to_the_transaction() -> None:
    transactions = Transactions()
    one = producer(5, transactions)
    those = [(b"%d" % it, b"x") for it in range(100)]
    list(send_alike(one, TOPIC, those, HEADERS))
    assert transactions.places.keys() == set(range(5))
    assert transactions.places.total() <= 6  # the first message's, and each once

    transactions.error = KafkaError("fenced")
    with pytest.raises(KafkaError, match="fenced"):
        list(send_alike(one, TOPIC, those, HEADERS))


def test_what_was_sent_before_an_error_is_told_and_the_sender_woken() -> None:
    one = producer()
    append = one._accumulator.append
    futures: list[Any] = []

    def fail_at_the_tenth(*arguments: Any, **named: Any) -> Any:
        if len(futures) == 10:
            raise KafkaError("closed")
        return append(*arguments, **named)

    one._accumulator.append = fail_at_the_tenth
    with pytest.raises(KafkaError, match="closed"):
        # As the sink does it.
        futures.extend(send_alike(one, TOPIC, [(b"%d" % it, b"v") for it in range(20)], HEADERS))
    assert len(futures) == 10
    assert one.woken == 2


def test_another_series_of_the_client_sends_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "__version__", "3.1.0")
    one = producer()
    sent: list[bytes] = []
    one.send = lambda topic, value, key, headers: sent.append(value)
    list(send_alike(one, TOPIC, [(b"k", b"%d" % it) for it in range(5)], HEADERS))
    assert sent == [b"0", b"1", b"2", b"3", b"4"]
