"""Who has been expelled from the group commits nothing, whether they know it or not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from kafka_records import read_all, send

from sensorium.errors import CommitError
from sensorium.events import Prediction, TaskResult
from sensorium.plugin import Cut, CutPosition, TopicPartition
from sensorium_plugins.sinks import KafkaSink
from sensorium_plugins.sources import KafkaSource


class Noting:
    """Notes what it is told of partition numbers."""

    def __init__(self) -> None:
        self.stored: dict[int, Cut | None] = {}

    def assigned(self, stored: Mapping[int, Cut | None]) -> None:
        self.stored = dict(stored)

    def foreseen(self, stored: Mapping[int, Cut]) -> None:
        pass

    def revoked(self, numbers: Collection[int]) -> None:
        self.stored = {}

    lost = revoked


class Engine:
    """Source and sink of one engine in a group."""

    def __init__(self, broker: str, topic: str, out: str, letters: str) -> None:
        self.place = TopicPartition(topic, 0)
        reading = {"bootstrap_servers": broker, "start": "earliest", "group": topic}
        self.source = KafkaSource(KafkaSource.Config(**reading), [topic])
        writing = {"bootstrap_servers": broker, "topic": out, "dead_letters": letters}
        self.sink = KafkaSink(KafkaSink.Config(**writing))
        self.told = Noting()
        self.source.join(self.told)
        self.source.partitions()
        self.sink.begin(self.source.member)

    def until_assigned(self) -> Cut | None:
        """Poll until the partition is this one's; gives its stored cut."""
        end = time.monotonic() + 60
        while not self.told.stored:
            assert time.monotonic() < end
            self.source.poll(10, 0.1)
        return self.told.stored[0]

    def commit(self, offset: int) -> None:
        """Write a prediction, with a cut."""
        result = {"task": TaskResult(values=(1.0,))}
        self.sink.write([Prediction(f"set {offset}", "p", "key", offset, result)])
        cut = Cut(offset, {self.place: CutPosition(offset, offset, None)}, "fingerprint")
        self.sink.commit({0: cut}, self.source.membership())

    def close(self) -> None:
        self.source.close()
        self.sink.close()


@pytest.fixture
def out(new_topic: Callable[..., str]) -> str:
    """The topic of the predictions."""
    return new_topic()


@pytest.fixture
def start(broker: str, new_topic: Callable[..., str], out: str) -> Iterator[Callable[[], Engine]]:
    """Start one more engine of the same group."""
    topic, letters = new_topic(), new_topic()
    send(broker, topic, [{"value": b"1"}] * 3)
    with ExitStack() as closing:

        def make() -> Engine:
            engine = Engine(broker, topic, out, letters)
            closing.callback(engine.close)
            return engine

        yield make


def test_who_has_learnt_that_it_is_no_member_commits_nothing(
    broker: str, start: Callable[[], Engine], out: str
) -> None:
    first = start()
    assert first.until_assigned() is None
    first.commit(1)
    # What a heartbeat does whose answer says so: until it is polled, the source has told nobody.
    consumer: Any = first.source._consumer
    consumer._coordinator.maybe_leave_group()
    assert consumer.group_metadata().generation_id == -1
    second = start()
    stored = second.until_assigned()
    assert stored is not None
    assert stored.serial == 1

    with pytest.raises(CommitError, match="UnknownMemberId"):
        first.commit(2)
    first.sink.abort()
    second.commit(3)
    assert [json.loads(it.value)["id"] for it in read_all(broker, out)] == ["set 1", "set 3"]


def test_the_sink_takes_no_cuts_from_nobody(start: Callable[[], Engine]) -> None:
    first = start()
    first.until_assigned()
    consumer: Any = first.source._consumer
    consumer._coordinator.maybe_leave_group()
    cut = Cut(1, {first.place: CutPosition(1, 1, None)}, "fingerprint")
    with pytest.raises(CommitError, match=r"expelled from its group, so the cuts of \[0\]"):
        first.sink.commit({0: cut}, consumer.group_metadata())
