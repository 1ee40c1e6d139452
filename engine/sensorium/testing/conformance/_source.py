"""The kit of a source."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from sensorium.errors import RunError
from sensorium.plugin import Record, Source, TopicPartition
from sensorium.testing.conformance._case import Conformance
from sensorium.testing.conformance._config_checks import declared, strict
from sensorium.testing.conformance._report import InapplicableError, Subject
from sensorium.testing.conformance._trials import microseconds

__all__ = ["SOURCE_CHECKS", "SourceConformance", "SourceSubject"]

#: How long a source may take to give what it has, in seconds.
_PATIENCE: Final = 30.0
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True)
class SourceSubject(Subject):
    """A source to check.

    Parameters
    ----------
    plugin, config, topics
        The class, its configuration as in a pipeline file, and the topics of the streams.
    ends
        Whether it comes to an end, as a file does.
    records
        How many records are there to be read, at least.
    """

    plugin: type[Source]
    config: Mapping[str, Any]
    topics: Sequence[str]
    ends: bool = True
    records: int = 2

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.plugin.name

    def open(self) -> Source:
        """A fresh instance."""
        return self.plugin(self.plugin.Config.model_validate(dict(self.config)), self.topics)

    def read(self, source: Source, limit: int = 1000) -> list[Record]:
        """All that is there: up to the end, or as many records as there are to be."""
        found: list[Record] = []
        give_up = time.monotonic() + _PATIENCE
        while time.monotonic() < give_up:
            batch = source.poll(limit, _POLL_SECONDS)
            if len(batch.records) > limit:
                self.refuse(f"poll({limit}, ...) gave {len(batch.records)} records")
            found += batch.records
            if batch.ended or (not self.ends and len(found) >= self.records):
                break
        if len(found) < self.records:
            self.refuse(
                f"it gave {len(found)} records, not the {self.records} that should be there, "
                f"to its end or in {_PATIENCE:.0f} s"
            )
        return found

    def all(self, limit: int = 1000) -> list[Record]:
        """The same by a fresh instance, which is closed."""
        source = self.open()
        try:
            return self.read(source, limit)
        finally:
            source.close()

    def figures(self) -> Mapping[str, float]:
        """What reading costs."""
        return {"poll": microseconds(self.all, max(1, len(self.all())))}


def declares_itself(subject: SourceSubject) -> None:
    """It has a name, a line of documentation and the right API version."""
    declared(subject, subject.plugin)


def config_is_strict(subject: SourceSubject) -> None:
    """Its configuration refuses unknown keys, is frozen, and survives JSON."""
    strict(subject, subject.plugin.Config, subject.config)


def gives_proper_records(subject: SourceSubject) -> None:
    """Records have coordinates, bytes, and times that are whole nanoseconds."""
    for record in subject.all():
        checks = {
            "topic": isinstance(record.topic, str) and record.topic != "",
            "partition": type(record.partition) is int and record.partition >= 0,
            "offset": type(record.offset) is int and record.offset >= 0,
            "data": isinstance(record.data, bytes | None),
            "key": isinstance(record.key, bytes | None),
            "time": isinstance(record.time, int | None),
            "arrived": isinstance(record.arrived, int | None),
        }
        for field, good in checks.items():
            if not good:
                subject.refuse(f"it gave a record with {field}={getattr(record, field)!r:.60}")


def partitions_are_stable(subject: SourceSubject) -> None:
    """`partitions` is the same before and after reading, and names the records' partitions."""
    source = subject.open()
    try:
        before = list(source.partitions())
        records = subject.read(source)
        after = list(source.partitions())
    finally:
        source.close()
    if before != after:
        subject.refuse(f"partitions were {before} before reading and {after} afterwards")
    strange = sorted({record.partition for record in records} - set(before))
    if strange:
        subject.refuse(f"records came of the partitions {strange}; it holds {before}")


def limit_is_respected(subject: SourceSubject) -> None:
    """One poll gives no more records than it is asked for, and none is lost by it."""
    few, many = subject.all(limit=1), subject.all()
    if subject.ends and len(few) != len(many):
        subject.refuse(f"it gave {len(few)} records one by one, and {len(many)} at once")


def keeps_log_order(subject: SourceSubject) -> None:
    """Per topic and partition, offsets rise, and log times do not fall."""
    last: dict[TopicPartition, Record] = {}
    for record in subject.all():
        place = TopicPartition(record.topic, record.partition)
        before = last.get(place)
        if before is not None:
            if record.offset <= before.offset:
                subject.refuse(f"{record.origin} came after {before.origin}")
            if (record.arrived or 0) < (before.arrived or 0):
                subject.refuse(f"the log time of {record.origin} is before that of {before.origin}")
        last[place] = record


def reads_the_same_again(subject: SourceSubject) -> None:
    """Another instance gives the same records at the same coordinates, in polls of any size."""
    one, other = (_placed(subject.all(limit)) for limit in (1000, 2))
    if any(one[origin] != other[origin] for origin in one.keys() & other.keys()):
        subject.refuse("the same coordinates gave another record the second time")
    if subject.ends and one.keys() != other.keys():
        subject.refuse(f"{len(one.keys() ^ other.keys())} records came in one reading only")


def ends_for_good(subject: SourceSubject) -> None:
    """After its end it gives nothing more, and says so again."""
    if not subject.ends:
        raise InapplicableError("it does not end")
    source = subject.open()
    try:
        subject.read(source)
        batch = source.poll(10, 0.0)
    finally:
        source.close()
    if batch.records or not batch.ended:
        subject.refuse("a poll after the end gave records, or did not say that it has ended")


def pauses(subject: SourceSubject) -> None:
    """Where it can pause, it gives nothing of what is paused, and all of it afterwards."""
    places = {TopicPartition(record.topic, record.partition) for record in subject.all()}
    source = subject.open()
    try:
        source.partitions()
        if not source.pause(places):
            raise InapplicableError("it cannot pause; it is not polled instead")
        for _ in range(3):
            if source.poll(1000, _POLL_SECONDS).records:
                subject.refuse("it gave records of what was paused")
        source.pause(())
        subject.read(source)
    finally:
        source.close()


def closes_twice(subject: SourceSubject) -> None:
    """It can be closed before it was read, and twice; then a poll gives nothing or a `RunError`."""
    unread = subject.open()
    unread.close()
    unread.close()
    source = subject.open()
    source.poll(1, _POLL_SECONDS)
    source.close()
    source.close()
    try:
        left = source.poll(10, 0.0).records
    except RunError:
        return
    except Exception as error:
        subject.refuse(f"a poll after close raised {type(error).__name__}; raise RunError")
    if left:
        subject.refuse(f"a poll after close gave {len(left)} records")


#: All checks of a source, by name.
SOURCE_CHECKS: Final[Mapping[str, Callable[[SourceSubject], None]]] = {
    check.__name__: check
    for check in (
        declares_itself,
        config_is_strict,
        gives_proper_records,
        partitions_are_stable,
        limit_is_respected,
        keeps_log_order,
        reads_the_same_again,
        ends_for_good,
        pauses,
        closes_twice,
    )
}


class SourceConformance(Conformance, kind="source", checks=SOURCE_CHECKS):
    """All checks of a source: set `plugin`, and `config`, or `configure` where it reads files.

    Attributes
    ----------
    topics
        The topics of the streams.
    ends
        Whether it comes to an end, as a file does.
    records
        How many records are there to be read, at least 2.
    """

    plugin: ClassVar[type[Source]]
    topics: ClassVar[Sequence[str]] = ("topic",)
    ends: ClassVar[bool] = True
    records: ClassVar[int] = 2

    @classmethod
    def make_subject(cls, folder: Path) -> SourceSubject:
        """The source with what it reads."""
        return SourceSubject(
            cls.plugin, cls.configure(folder), cls.topics, cls.ends, max(2, cls.records)
        )


def _placed(records: Sequence[Record]) -> dict[str, tuple[Any, ...]]:
    return {it.origin: (it.data, it.key, dict(it.headers), it.time) for it in records}
