"""Recording the topics of a pipeline while they grow."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from sensorium.durations import INFINITY, Duration
from sensorium.errors import ConfigError, WireError
from sensorium.host import Pipeline
from sensorium.operations._logs import open_log
from sensorium.plugin import Record, Source
from sensorium.wire import FieldMap, RecordingWriter, WireFormat, read_record

__all__ = ["Recorded", "Recorder"]

_BATCH: Final = 1000
_POLL_SECONDS: Final = 0.2


@dataclass
class Recorded:
    """What a recording holds.

    Parameters
    ----------
    topics
        Records per topic.
    first, last
        The least and the greatest log time, in ns since the epoch; None without records.
    refused
        Records that a recording cannot hold, since their time is negative, with the reason.
    """

    topics: Counter[str] = field(default_factory=Counter)
    first: int | None = None
    last: int | None = None
    refused: list[str] = field(default_factory=list)

    @property
    def records(self) -> int:
        """All records."""
        return self.topics.total()


class Recorder:
    """Writes the topics of a pipeline's streams, and of its targets that are there, to a file.

    Parameters
    ----------
    pipeline
        Its source has to be in a log.
    path
        An MCAP file that does not exist.
    start
        Where to begin in the topics.
    until_end
        Whether to end with what is there now.
    duration
        How long to go on, in ns.
    clock
        Nanoseconds that only go forward.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        path: Path,
        *,
        start: Literal["earliest", "latest"],
        until_end: bool = False,
        duration: Duration = INFINITY,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._pipeline = pipeline
        self._path = path
        self._start = start
        self._until_end = until_end
        self._duration = duration
        self._clock = clock
        self._stopped = threading.Event()
        self._forms = _forms(pipeline)
        self._done = Recorded()

    @property
    def records(self) -> int:
        """How many records have been written so far."""
        return self._done.records

    def run(self) -> Recorded:
        """Record until the end, for the duration, or until `stop`; the file is whole then.

        Raises
        ------
        ConfigError
            If the source has no log, or the file exists.
        RunError
            If the log cannot be read or the file not be written. What was recorded is kept.
        """
        if self._path.exists():
            raise ConfigError(f"{self._path} exists: name another file, or remove it")
        with open_log(self._pipeline, "source") as log:
            targets = {
                part.target.stream
                for part in self._pipeline.tasks.values()
                if part.target is not None
            } - self._forms.keys()
            topics = [*self._forms, *sorted(log.describe(sorted(targets)) if targets else ())]
            source = log.read(topics, start=self._start, follow=not self._until_end)
            try:
                source.partitions()  # what is not there is known before there is a file
                with RecordingWriter(self._path) as writer:
                    return self._copy(source, writer)
            finally:
                source.close()

    def stop(self, *, now: bool = False) -> None:
        """Finish with the records at hand; `now` makes no difference."""
        del now
        self._stopped.set()

    def _copy(self, source: Source, writer: RecordingWriter) -> Recorded:
        done = self._done
        end = self._clock() + self._duration
        while not self._stopped.is_set() and self._clock() < end:
            batch = source.poll(_BATCH, _POLL_SECONDS)
            for record in batch.records:
                self._write(record, writer, done)
            if batch.ended:
                break
        return done

    def _write(self, record: Record, writer: RecordingWriter, done: Recorded) -> None:
        try:
            writer.write(record, self._event_time(record))
        except WireError as error:
            done.refused.append(str(error))
            return
        done.topics[record.topic] += 1
        if record.arrived is not None:
            done.first = record.arrived if done.first is None else min(done.first, record.arrived)
            done.last = record.arrived if done.last is None else max(done.last, record.arrived)

    def _event_time(self, record: Record) -> int | None:
        if record.topic not in self._forms:
            return None
        try:
            return read_record(record, *self._forms[record.topic]).time
        except WireError:  # recorded as it came: it is a dead letter again when it is replayed
            return record.time


def _forms(pipeline: Pipeline) -> dict[str, tuple[WireFormat, FieldMap]]:
    """Per topic how its records are read, as that of its first stream."""
    forms: dict[str, tuple[WireFormat, FieldMap]] = {}
    for part in pipeline.streams.values():
        forms.setdefault(part.topic, (part.format, part.fields))
    return forms
