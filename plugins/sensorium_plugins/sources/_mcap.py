"""Replays a recording, as fast as it can be taken or at its own pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sensorium.errors import RunError
from sensorium.plugin import Batch, PluginConfig, Record, Source, TopicPartition
from sensorium.wire import RecordingReader

__all__ = ["McapConfig", "McapSource"]


class McapConfig(PluginConfig):
    """What to replay, and how fast.

    Parameters
    ----------
    path
        An MCAP file.
    speed
        ``"max"``, or how many times as fast as it was recorded, by log time.
    """

    path: str
    speed: Literal["max"] | Annotated[float, Field(gt=0, allow_inf_nan=False)] = "max"


class McapSource(Source):
    """The records of a recording, in the order of their log times.

    Since that order holds over all topics, every partition without a record in a batch has been
    read as far as the batch's last log time, and the batch says so.

    Parameters
    ----------
    config
        A `McapConfig`.
    topics
        Those to read.
    clock
        Seconds that only go forward, for the pace.
    wait
        Waits for the given seconds; by default until then or until `close`.
    """

    name: ClassVar[str] = "mcap"
    Config: ClassVar[type[PluginConfig]] = McapConfig

    def __init__(
        self,
        config: McapConfig,
        topics: Sequence[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        super().__init__(config, topics)
        self._speed = None if config.speed == "max" else config.speed
        self._clock = clock
        self._closed = threading.Event()
        self._lock = threading.Lock()  # held while reading, never while waiting
        self._wait = self._closed.wait if wait is None else wait
        self._reader: RecordingReader | None = None
        self._records: Iterator[Record] = iter(())
        self._next: Record | None = None
        self._failure: RunError | None = None
        self._places: tuple[TopicPartition, ...] = ()
        self._start: tuple[float, int] = (0.0, 0)

    def partitions(self) -> Sequence[int]:
        """The partition numbers that the pipeline's topics have in the recording."""
        with self._lock:
            self._open()
        return sorted({place.partition for place in self._places})

    def poll(self, limit: int, timeout: float) -> Batch:
        """Give the next records that are due.

        Raises
        ------
        RunError
            If the file cannot be read, or holds none of the topics; after its last readable
            record, if it is cut off.
        """
        with self._lock:
            if self._closed.is_set():
                return Batch(ended=True)
            self._open()
            early = 0.0 if self._next is None else self._early(self._next)
        if early > 0:
            self._wait(min(early, timeout))
        with self._lock:
            return self._take(limit)

    def close(self) -> None:
        """Stop, also a `poll` that waits in another thread."""
        self._closed.set()
        with self._lock:
            if self._reader is not None:
                self._reader.close()

    def _take(self, limit: int) -> Batch:
        if self._closed.is_set():
            return Batch(ended=True)
        records: list[Record] = []
        while len(records) < limit and self._next is not None and self._early(self._next) <= 0:
            records.append(self._next)
            self._advance()
        if not records and self._next is None and self._failure is not None:
            raise self._failure
        ended = self._next is None and self._failure is None
        return Batch(records, self._progress(records), ended)

    def _open(self) -> None:
        if self._reader is not None:
            return
        reader = RecordingReader(self.config.path)
        there = reader.partitions
        self._places = tuple(
            TopicPartition(topic, partition)
            for topic in sorted(set(self.topics))
            for partition in there.get(topic, ())
        )
        self._reader = reader
        self._records = reader.records(self.topics)
        self._advance()
        if self._next is not None:
            self._start = (self._clock(), _log_time(self._next))
        elif not self._places and there:
            reader.close()
            raise RunError(
                f"{self.config.path}: the recording holds none of the topics "
                f"{', '.join(sorted(set(self.topics)))}; it has {', '.join(there)}. Name those as "
                "`topic` of the pipeline's streams"
            )

    def _advance(self) -> None:
        try:
            self._next = next(self._records, None)
        except RunError as error:  # raised when what came before it has been given
            self._next = None
            self._failure = error

    def _early(self, record: Record) -> float:
        """How many seconds from now the record is due."""
        if self._speed is None:
            return 0.0
        began, first = self._start
        return began + (_log_time(record) - first) / (self._speed * 1e9) - self._clock()

    def _progress(self, records: Sequence[Record]) -> dict[TopicPartition, int]:
        if not records:
            return {}
        seen = {(record.topic, record.partition) for record in records}
        last = _log_time(records[-1])
        return {place: last for place in self._places if place not in seen}


def _log_time(record: Record) -> int:
    # A recording always has it; the type allows for live sources.
    return record.arrived or 0
