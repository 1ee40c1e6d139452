"""Which stream of the pipeline a record belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sensorium.errors import PayloadError
from sensorium.plugin import Modality, Record
from sensorium.wire import Envelope, FieldMap, Layout, RecordReader, Stack, WireFormat

__all__ = ["IngestStream", "Router", "TargetStream", "Wiring"]


@dataclass(frozen=True, slots=True)
class Wiring:
    """How the records of a topic are read.

    Parameters
    ----------
    format, fields
        As in `sensorium.wire.read_record`.
    """

    format: WireFormat = "auto"
    fields: FieldMap = field(default_factory=FieldMap)


@dataclass(frozen=True, slots=True)
class IngestStream:
    """What ingest needs to know of one stream.

    Parameters
    ----------
    modality
        Decodes its payloads; need not be loaded.
    topic
        Where it is read from; its own name where empty.
    wiring
        How its records are read.
    """

    modality: Modality
    topic: str = ""
    wiring: Wiring = field(default_factory=Wiring)


@dataclass(frozen=True, slots=True)
class TargetStream:
    """A stream that carries the truth of a task, for training and evaluation only.

    Parameters
    ----------
    topic
        Where it is read from; its own name where empty.
    wiring
        How its records are read.
    """

    topic: str = ""
    wiring: Wiring = field(default_factory=Wiring)


def _readers(wirings: Mapping[str, Wiring]) -> dict[str, RecordReader]:
    """What reads each stream's records; one object where they are written alike, so that readers
    can be compared by identity."""
    distinct: list[tuple[Wiring, RecordReader]] = []
    readers = {}
    for name, wiring in wirings.items():
        reader = next((it for known, it in distinct if known == wiring), None)
        if reader is None:
            reader = RecordReader(wiring.format, wiring.fields)
            distinct.append((wiring, reader))
        readers[name] = reader
    return readers


class Router:
    """Finds the stream of a record by its topic and the stream that its envelope names.

    A stream is known by its topic and, so that a recording that names topics after streams can be
    read too, by its own name, unless that is another stream's topic.
    """

    def __init__(self, streams: Mapping[str, IngestStream | TargetStream]) -> None:
        self._readers = _readers({name: stream.wiring for name, stream in streams.items()})
        # A file of JSON lines may stand in for topics of another format.
        self._in_files = _readers(
            {name: Wiring("auto", stream.wiring.fields) for name, stream in streams.items()}
        )
        topics: dict[str, list[str]] = {}
        for name, stream in streams.items():
            topics.setdefault(stream.topic or name, []).append(name)
        for name in streams:
            topics.setdefault(name, [name])
        self._topics = {topic: tuple(names) for topic, names in topics.items()}
        self._homes = {
            name: frozenset(topic for topic, names in topics.items() if name in names)
            for name in streams
        }

        #: Per topic what reads its records first, and the streams of the names that have come,
        #: whose records are read by it.
        self._plans: dict[str, tuple[RecordReader, dict[str | None, str]]] = {}

    def read(self, record: Record) -> tuple[str | None, Envelope]:
        """The stream of a record, or None if it is of no stream of this pipeline, and what it says.

        Raises
        ------
        PayloadError
            If it cannot be read, or as of `route`.
        """
        topic = record.topic
        reader, known = self._plans.get(topic) or self._plan(topic)
        envelope = reader.read(record)
        named = envelope.stream
        name = known.get(named)
        if name is None:
            name = self.route(topic, named)
            if name is not None:
                own = self.reader_of(name, topic)
                if own is not reader:
                    envelope = own.read(record)
                elif named is None or named in self._readers:  # other names would be without end
                    known[named] = name
        return name, envelope

    def stacks(
        self, records: Sequence[Record], rows: Sequence[int]
    ) -> Iterator[tuple[str, Layout, Stack]]:
        """Read those records at once of whose like there were some before; see
        `RecordReader.stacks`. The stream of each stack is the one that `read` gives."""
        topic = records[rows[0]].topic
        reader, known = self._plans.get(topic) or self._plan(topic)
        if not known:
            return
        for layout, stack in reader.stacks(records, rows):
            name = known.get(layout.stream)
            if name is not None:
                yield name, layout, stack

    def _plan(self, topic: str) -> tuple[RecordReader, dict[str | None, str]]:
        plan = self._plans[topic] = self.reader(topic), {}
        return plan

    @property
    def topics(self) -> tuple[str, ...]:
        """Every topic under which a record of the pipeline may come."""
        return tuple(self._topics)

    def streams(self, topic: str) -> tuple[str, ...]:
        """The streams of a topic; none if it is not in the pipeline."""
        return self._topics.get(topic, ())

    def reader(self, topic: str) -> RecordReader:
        """What reads a record before its stream is known: that of the topic's first stream."""
        names = self._topics.get(topic)
        return self._readers[names[0]] if names else next(iter(self._in_files.values()))

    def reader_of(self, stream: str, topic: str) -> RecordReader:
        """What reads the records of a stream in a topic."""
        return self._readers[stream] if topic in self._topics else self._in_files[stream]

    def route(self, topic: str, named: str | None) -> str | None:
        """The stream of a record, or None if it is of no stream of this pipeline.

        A topic that is not in the pipeline is taken for a file that carries every stream: its
        records are routed by the stream that they name, and the others skipped.

        Parameters
        ----------
        topic
            The record's topic.
        named
            The stream that the envelope names.

        Raises
        ------
        PayloadError
            If the envelope names no stream where the topic carries several, or one that is read
            from another topic.
        """
        names = self._topics.get(topic)
        if names is None:
            return named if named in self._readers else None
        if named in names:
            return named
        if named in self._homes:
            homes = ", ".join(sorted(self._homes[named]))
            raise PayloadError(
                f"the envelope names the stream {named!r}, which is read from {homes}, but it came "
                f"in the topic {topic!r}: correct the producer or the stream's `topic`"
            )
        if len(names) == 1:
            return names[0]
        if named is None:
            raise PayloadError(
                f"the topic {topic!r} carries {', '.join(names)}, and the envelope names no "
                "`stream`: add it, or set the stream's `fields.stream`"
            )
        return None
