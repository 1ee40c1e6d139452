"""Ingest: raw records to events, decoded and validated by the stream's modality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from sensorium.durations import INFINITY
from sensorium.errors import PayloadError, RunError
from sensorium.events import DeadLetter, Event
from sensorium.plugin import Record
from sensorium.stages._failure import explain
from sensorium.stages._routing import IngestStream, Router, TargetStream
from sensorium.stages._stacks import decode_stacks
from sensorium.wire import attempts_of

__all__ = ["Heartbeat", "Ingest", "Ingested", "Progress", "TargetValue"]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A promise, in the log, that no event of the stream older than `time` will come.

    Parameters
    ----------
    stream, key
        Of one entity, or of all where the key is None.
    time, arrived
        The bound in event time, and the log time of the record, in ns.
    """

    stream: str
    key: str | None
    time: int
    arrived: int


@dataclass(frozen=True, slots=True)
class Progress:
    """A stream has been read up to a log time, without an event that says so.

    Parameters
    ----------
    stream
        The stream.
    log_time
        In ns since the epoch.
    """

    stream: str
    log_time: int


@dataclass(frozen=True, slots=True)
class TargetValue:
    """The truth as a target stream carries it; never a member of a set.

    Parameters
    ----------
    stream, key, time
        Whose, and the event time in ns since the epoch.
    value
        The payload out of its envelope.
    """

    stream: str
    key: str
    time: int
    value: Any


#: Before any log time.
_NEVER: Final = -INFINITY

#: What goes on to align.
Item: TypeAlias = Event | Heartbeat | Progress


@dataclass(slots=True)
class Ingested:
    """What a batch of records gave.

    Parameters
    ----------
    items
        Partition number and event, heartbeat or progress, in the order of the records.
    letters
        Records that could not be understood.
    targets
        Values of target streams.
    """

    items: list[tuple[int, Item]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    targets: list[TargetValue] = field(default_factory=list)


class Ingest:
    """Turns the records of a source into events.

    Parameters
    ----------
    streams
        The pipeline's streams.
    targets
        Target streams by name, for training and evaluation; elsewhere they are skipped.
    clock
        Gives the log time, in ns since the epoch, of records that carry none.
    max_keys
        How many keys are remembered to find one that comes under two partition numbers.
    """

    def __init__(
        self,
        streams: Mapping[str, IngestStream],
        *,
        targets: Mapping[str, TargetStream] | None = None,
        clock: Callable[[], int],
        max_keys: int = 100_000,
    ) -> None:
        self._modalities = {name: stream.modality for name, stream in streams.items()}
        self._router = Router({**streams, **(targets or {})})
        self._clock = clock
        self._max_keys = max_keys
        self._partitions: dict[str, int] = {}
        self._files: set[str] = set()
        self._has_topics = False
        #: Records, by stream (``-`` where it is not known) and what became of them: event,
        #: heartbeat, target, skipped, dead_letter, replayed.
        self.by_stream: Counter[tuple[str, str]] = Counter()
        #: Per stream, the log time of the newest event that was read, in ns since the epoch.
        self.newest: dict[str, int] = {}

    @property
    def counts(self) -> Counter[str]:
        """Records, by what became of them."""
        total: Counter[str] = Counter()
        for (_, outcome), count in dict(self.by_stream).items():
            total[outcome] += count
        return total

    @property
    def topics(self) -> tuple[str, ...]:
        """Every topic under which a record of the pipeline may come."""
        return self._router.topics

    def streams(self, topic: str) -> tuple[str, ...]:
        """The streams whose progress is that of a topic.

        Those that are read from it; or all, if it is a file that has been found to carry streams
        of the pipeline and nothing has come from their own topics.
        """
        if topic in self._files and not self._has_topics:
            return tuple(self._modalities)
        return tuple(name for name in self._router.streams(topic) if name in self._modalities)

    def read(self, records: Sequence[Record], *, again: bool = False) -> Ingested:
        """Decode a batch of records.

        Records that fail become dead letters; a record of no stream of this pipeline is skipped.
        With `again` they have been read before: they are counted as replayed, whatever they are.

        Raises
        ------
        RunError
            If a key comes under two partition numbers: its streams could never meet.
        """
        if again:
            return self._read_again(records)
        out = Ingested()
        items, partitions = out.items, self._partitions
        now = self._clock()
        read_up_to: dict[tuple[str, int], int] = {}
        stacked = decode_stacks(records, self._router, self._modalities, now)
        by_stream = stacked.by_stream
        for topic in stacked.topics:
            self._note_topic(topic)
        for record, event in zip(records, stacked.events, strict=True):
            arrived = now if record.arrived is None else record.arrived
            partition = record.partition
            place = (record.topic, partition)
            if read_up_to.get(place, _NEVER) < arrived:
                read_up_to[place] = arrived
            if event is None:
                try:
                    event = self._record(record, arrived, out)  # noqa: PLW2901
                except _RefusedError as refused:
                    out.letters.append(refused.letter)
                    self.by_stream[refused.letter.stream or "-", "dead_letter"] += 1
                if event is None:
                    continue
                by_stream.setdefault(event.stream, []).append(event)
            if partitions.get(event.key) != partition:
                self._keep_together(event, record)
            items.append((partition, event))
        for name, events in by_stream.items():
            self._count(name, events)
        # A record proves that every stream of its topic has been read so far, also those that it
        # is not of, and also if it failed.
        for (topic, partition), log_time in read_up_to.items():
            for name in self.streams(topic):
                out.items.append((partition, Progress(name, log_time)))
        return out

    def _read_again(self, records: Sequence[Record]) -> Ingested:
        counts, self.by_stream = self.by_stream, Counter()
        try:
            out = self.read(records)
        finally:
            again, self.by_stream = self.by_stream, counts
        for (stream, _), count in again.items():
            self.by_stream[stream, "replayed"] += count
        return out

    def _record(self, record: Record, arrived: int, out: Ingested) -> Event | None:
        """The event of a record; None where it is something else, which goes to `out`, if at all.

        Raises
        ------
        _RefusedError
            If the record is at fault.
        """
        try:
            name, envelope = self._router.read(record)
        except PayloadError as error:
            raise _refuse(record, error) from error
        if name is None:
            self.by_stream["-", "skipped"] += 1
            return None
        self._note_topic(record.topic)
        time = envelope.time if envelope.time is not None else record.time
        if time is None:
            raise _refuse(record, _missing("time"), stream=name, key=envelope.key)
        modality = self._modalities.get(name)
        if envelope.heartbeat:
            if modality is not None:
                beat = Heartbeat(name, envelope.key, time, arrived)
                out.items.append((record.partition, beat))
            self.by_stream[name, "heartbeat"] += 1
            return None
        key = envelope.key
        if key is None:
            raise _refuse(record, _missing("key"), stream=name, time=time)
        if modality is None:
            out.targets.append(TargetValue(name, key, time, envelope.payload.data))
            self.by_stream[name, "target"] += 1
            return None
        try:
            value = modality.decode(envelope.payload)
            duration = envelope.duration
            if duration is None:
                duration = modality.duration(value)
            origin = record.origin
            # By position, which costs half of it for every event.
            return Event(name, key, time, value, envelope.id or origin, origin, arrived, duration)
        except Exception as error:  # a plugin may raise anything
            raise _refuse(
                record, error, stream=name, key=key, time=time, plugin=modality.name
            ) from error

    def _count(self, stream: str, events: Sequence[Event]) -> None:
        self.by_stream[stream, "event"] += len(events)
        newest = max([event.arrived for event in events])  # type: ignore[type-var]
        if self.newest.get(stream, _NEVER) < newest:  # type: ignore[operator]
            self.newest[stream] = newest  # type: ignore[assignment]

    def _note_topic(self, topic: str) -> None:
        if self._has_topics or topic in self._files:
            return
        if self._router.streams(topic):
            self._has_topics = True
        else:
            self._files.add(topic)

    def _keep_together(self, event: Event, record: Record) -> None:
        known = self._partitions.get(event.key)
        if known is not None:
            raise RunError(
                f"the key {event.key!r} comes under the partition number {known} and, at "
                f"{record.topic}[{record.partition}]@{record.offset}, under {record.partition}: "
                "streams that are aligned need equal partition counts and the same partitioner"
            )
        if len(self._partitions) >= self._max_keys:
            self._partitions.pop(next(iter(self._partitions)))
        self._partitions[event.key] = record.partition


class _RefusedError(Exception):
    """Carries a dead letter out of the reading of one record."""

    def __init__(self, letter: DeadLetter) -> None:
        super().__init__(letter.message)
        self.letter = letter


def _missing(name: str) -> PayloadError:
    return PayloadError(
        f"the record has no {name} - at `{name}`: add it to the envelope, or set the stream's "
        f"`fields.{name}`"
    )


def _refuse(
    record: Record,
    error: Exception,
    *,
    stream: str | None = None,
    key: str | None = None,
    time: int | None = None,
    plugin: str | None = None,
) -> _RefusedError:
    message = str(error) if plugin is None else explain(error, plugin, "decode", withhold=True)
    letter = DeadLetter(
        stage="ingest",
        error=type(error).__name__,
        message=message,
        stream=stream,
        key=key,
        time=time if time is not None else record.time,
        origin=record.origin,
        plugin=plugin,
        data=record.data,
        headers=record.headers,
        attempt=attempts_of(record.headers),
        record_key=record.key,
        hook=None if plugin is None else "decode",
    )
    return _RefusedError(letter)
