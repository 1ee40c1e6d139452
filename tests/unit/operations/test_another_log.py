"""The commands around a log know no Kafka: another plugin's log does as well."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

import sensorium_plugins
from sensorium.errors import ConfigError, RunError
from sensorium.events import DeadLetter
from sensorium.hookspecs import hookimpl
from sensorium.host import Pipeline, PluginHost, load_pipeline
from sensorium.operations import (
    Recorder,
    Replayer,
    create_topics,
    plan_topics,
    read_dead_letters,
    replay_dead_letters,
)
from sensorium.plugin import Batch, Log, Payload, Record, Source, Topic, TopicPartition
from sensorium.testing import MemorySink, MemorySource
from sensorium.wire import (
    Envelope,
    RecordingWriter,
    dead_letter_headers,
    read_recording,
    write_envelope,
)

SECOND = 10**9


class Shelf:
    """A log in memory: topics, and records per partition."""

    def __init__(self) -> None:
        self.topics: dict[str, Topic] = {}
        self.records: dict[TopicPartition, list[Record]] = defaultdict(list)


SHELF = Shelf()


class ShelfReader(Source):
    name = "shelf-reader"

    def __init__(self, topics: Sequence[str], *, follow: bool) -> None:
        super().__init__(None, topics)
        self.follow = follow
        self.given: set[str] = set()

    def partitions(self) -> Sequence[int]:
        for topic in self.topics:
            if topic not in SHELF.topics:
                raise RunError(f"there is no topic {topic}")
        return [0]

    def poll(self, limit: int, timeout: float) -> Batch:
        found = [
            record
            for place, them in SHELF.records.items()
            if place.topic in self.topics
            for record in them
            if record.origin not in self.given
        ][:limit]
        self.given |= {record.origin for record in found}
        return Batch(found, ended=not self.follow and not found)

    def close(self) -> None: ...


class ShelfLog(Log):
    def describe(self, topics: Sequence[str]) -> Mapping[str, Topic]:
        return {name: SHELF.topics[name] for name in topics if name in SHELF.topics}

    def create(self, topics: Sequence[Topic]) -> None:
        SHELF.topics |= {topic.name: topic for topic in topics}

    def read(self, topics: Sequence[str], *, start: str, follow: bool) -> Source:
        return ShelfReader(topics, follow=follow)

    def fetch(self, topic: str, partition: int, offset: int) -> Record | None:
        there = SHELF.records[TopicPartition(topic, partition)]
        return there[offset] if offset < len(there) else None

    def write(self, record: Record, *, keep_partition: bool = True) -> None:
        place = TopicPartition(record.topic, record.partition if keep_partition else 0)
        offset = len(SHELF.records[place])
        stamped = replace(record, partition=place.partition, offset=offset, arrived=time.time_ns())
        SHELF.records[place].append(stamped)

    def flush(self) -> None: ...
    def close(self) -> None: ...


class ShelfSource(MemorySource):
    """Reads the shelf."""

    name: ClassVar[str] = "shelf"

    @classmethod
    def open_log(cls, config: Any) -> Log:
        return ShelfLog({})


class ShelfSink(MemorySink):
    """Writes to the shelf."""

    name: ClassVar[str] = "shelf"

    @classmethod
    def open_log(cls, config: Any) -> Log:
        return ShelfLog({"predictions": "out", "dead_letters": "dead"})


class Brings:
    @hookimpl
    def sensorium_sources(self) -> list[type[Source]]:
        return [ShelfSource]

    @hookimpl
    def sensorium_sinks(self) -> list[type[MemorySink]]:
        return [ShelfSink]


@pytest.fixture
def host() -> PluginHost:
    return PluginHost(entry_points=[], modules=[sensorium_plugins, Brings()])


@pytest.fixture
def pipeline(host: PluginHost) -> Pipeline:
    SHELF.topics.clear()
    SHELF.records.clear()
    stream = {"modality": "sensor-stats", "config": {"channels": 3, "rate": 50}}
    return load_pipeline(
        {
            "pipeline": "shelved",
            "source": {"plugin": "shelf"},
            "streams": {"accel": stream, "gyro": stream},
            "align": {"policy": "window", "size": "1s"},
            "fusion": {"plugin": "mean"},
            "tasks": {"moves": {"type": "classification", "labels": ["yes", "no"]}},
            "sink": {"plugin": "shelf"},
        },
        plugins=host,
    )


def record(topic: str, number: int) -> Record:
    data = write_envelope(Envelope(None, "k", number * SECOND, Payload([[1, 2, 3]])))
    return Record(topic, 1, number, data, b"k", {"trace": b"7"}, None, number * SECOND)


def test_its_topics_are_made(pipeline: Pipeline) -> None:
    plan = plan_topics(pipeline, partitions=2, outage=SECOND)
    assert [one.there for one in plan.topics] == [None] * 4
    assert [topic.name for topic in create_topics(pipeline, plan)] == [
        "accel", "gyro", "out", "dead"
    ]  # fmt: skip
    again = plan_topics(pipeline, outage=SECOND)
    assert again.findings == []
    assert create_topics(pipeline, again) == []
    SHELF.topics["gyro"] = replace(SHELF.topics["gyro"], partitions=3)
    assert plan_topics(pipeline, outage=SECOND).refused


def test_its_dead_letters_are_sent_again(pipeline: Pipeline) -> None:
    letter = DeadLetter("ingest", "WireError", "broken", time=7 * SECOND, origin="gyro/1/0",
                        data=b"{", headers={"trace": b"7"}, record_key=b"k")  # fmt: skip
    log = ShelfLog({})
    log.write(Record("dead", 0, 0, letter.data, letter.record_key, dead_letter_headers(letter)))
    log.write(Record("dead", 0, 0, b"of somebody else"))
    (stored,) = read_dead_letters(pipeline)
    assert stored.letter == letter
    (done,) = replay_dead_letters(pipeline, [stored])
    assert done.to == "gyro/1"
    (sent,) = SHELF.records[TopicPartition("gyro", 1)]
    assert (sent.data, sent.key, sent.time) == (b"{", b"k", 7 * SECOND)
    assert sent.headers == {"trace": b"7", "sensorium-attempt": b"2"}
    with pytest.raises(RunError, match="dead at 0/1 is no dead letter of Sensorium"):
        list(read_dead_letters(pipeline, places=["0/1"]))


def test_it_is_recorded_and_replayed(pipeline: Pipeline, host: PluginHost, tmp_path: Path) -> None:
    path = tmp_path / "shelf.mcap"
    with RecordingWriter(path) as writer:
        for number in range(3):
            for topic in ("accel", "gyro"):
                writer.write(record(topic, number))
    assert Replayer(pipeline, host, path).run().topics == {"accel": 3, "gyro": 3}
    SHELF.topics |= {name: Topic(name, 2) for name in ("accel", "gyro")}
    again = tmp_path / "again.mcap"
    assert Recorder(pipeline, again, start="earliest", until_end=True).run().records == 6
    kept = [(one.topic, one.partition, one.key, one.headers, one.data) for one in
            read_recording(again)]  # fmt: skip
    assert sorted(kept, key=str) == sorted(
        [(one.topic, one.partition, one.key, one.headers, one.data) for one in
         read_recording(path)], key=str,
    )  # fmt: skip


def test_a_recorder_goes_on_until_it_is_stopped(pipeline: Pipeline, tmp_path: Path) -> None:
    SHELF.topics |= {name: Topic(name, 1) for name in ("accel", "gyro")}
    recorder = Recorder(pipeline, tmp_path / "live.mcap", start="earliest")
    thread = threading.Thread(target=recorder.run)
    thread.start()
    ShelfLog({}).write(record("accel", 1))
    end = time.monotonic() + 10
    while not recorder.records and time.monotonic() < end:
        time.sleep(0.01)
    recorder.stop()
    thread.join(10)
    assert len(list(read_recording(tmp_path / "live.mcap"))) == 1


def test_what_cannot_be_replayed_is_refused(
    pipeline: Pipeline, host: PluginHost, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"give an \.mcap file"):
        Replayer(pipeline, host, tmp_path / "it.jsonl")
    with pytest.raises(ConfigError, match="--speed is 0; it must be greater than 0"):
        Replayer(pipeline, host, tmp_path / "it.mcap", speed=0.0)
    with pytest.raises(RunError, match="cannot be opened"):
        Replayer(pipeline, host, tmp_path / "it.mcap").run()
