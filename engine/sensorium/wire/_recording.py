"""Writing recordings: MCAP files that hold the records of a log as they came.

Of a record, MCAP's ``log_time`` is the log time and ``publish_time`` the event time. There is a
channel per topic and partition, of encoding ``msgpack``, whose metadata holds ``sensorium`` (the
version of this layout) and ``partition``; a message is a msgpack map of ``key``, ``offset``,
``time`` (the transport's), ``headers`` and ``value``.
"""

from __future__ import annotations

import time as system_time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final

from sensorium.errors import RunError, WireError
from sensorium.plugin import Record, TopicPartition
from sensorium.wire._checks import INT64_MAX
from sensorium.wire._msgpack import encode_value
from sensorium.wire._read import read_record

__all__ = ["LAYOUT", "LAYOUT_KEY", "PARTITION_KEY", "RecordingWriter"]

LAYOUT: Final = "1"
LAYOUT_KEY: Final = "sensorium"
PARTITION_KEY: Final = "partition"


class RecordingWriter:
    """Writes records to an MCAP file; a context manager.

    What is written is safe after `close`; of a file that was never closed, all but the last
    chunk (about 1 MiB) can be read.

    Parameters
    ----------
    path
        The file; an existing one is replaced.
    clock
        Gives the log time, in ns since the epoch, of records that have none.

    Raises
    ------
    RunError
        If the file cannot be written.
    """

    def __init__(self, path: Path | str, *, clock: Callable[[], int] = system_time.time_ns) -> None:
        from mcap.writer import Writer  # late: nothing else needs it

        self._path = Path(path)
        self._clock = clock
        self._channels: dict[TopicPartition, int] = {}
        self._log_times: dict[TopicPartition, int] = {}
        self._closed = False
        try:
            self._file: BinaryIO = self._path.open("wb")
        except OSError as error:
            raise self._failed(error) from error
        self._writer = Writer(self._file)
        self._guard(self._writer.start, profile="", library="sensorium")

    def write(self, record: Record, time: int | None = None) -> None:
        """Write a record.

        Parameters
        ----------
        record
            As its source gave it. Its log time is raised to that of the record before it in its
            partition, so that the order of the log is kept.
        time
            Its event time in ns, where the caller knows it. The default is the record's own, else
            what its envelope says, else its log time.

        Raises
        ------
        WireError
            If a time is negative or beyond 64 bits, which MCAP does not hold.
        RunError
            If the file cannot be written.
        """
        place = TopicPartition(record.topic, record.partition)
        arrived = self._clock() if record.arrived is None else record.arrived
        _check_time(arrived, "log", record)
        log_time = max(arrived, self._log_times.get(place, 0))
        event_time = _event_time(record) if time is None else time
        publish_time = log_time if event_time is None else event_time
        _check_time(publish_time, "event", record)
        data = encode_value(
            {
                "key": record.key,
                "offset": record.offset,
                "time": record.time,
                "headers": dict(record.headers),
                "value": record.data,
            }
        )
        self._guard(
            self._writer.add_message,
            channel_id=self._channel(place),
            log_time=log_time,
            publish_time=publish_time,
            sequence=record.offset & 0xFFFF_FFFF,
            data=data,
        )
        self._log_times[place] = log_time

    def close(self) -> None:
        """Finish the file; may be called twice."""
        if not self._closed:
            self._closed = True
            try:
                self._guard(self._writer.finish)
            finally:
                self._guard(self._file.close)

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _channel(self, place: TopicPartition) -> int:
        if place not in self._channels:
            self._channels[place] = self._guard(
                self._writer.register_channel,
                topic=place.topic,
                message_encoding="msgpack",
                schema_id=0,
                metadata={LAYOUT_KEY: LAYOUT, PARTITION_KEY: str(place.partition)},
            )
        return self._channels[place]

    def _guard(self, call: Callable[..., Any], **arguments: Any) -> Any:
        try:
            return call(**arguments)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> RunError:
        reason = error.strerror or str(error)
        return RunError(
            f"{self._path}: the recording cannot be written ({reason}); "
            "check the folder, its permissions and the free space"
        )


def _event_time(record: Record) -> int | None:
    if record.time is not None:
        return record.time
    try:
        return read_record(record).time
    except WireError:  # recorded as it came: it is a dead letter again when it is replayed
        return None


def _check_time(time: int, kind: str, record: Record) -> None:
    if not 0 <= time <= INT64_MAX:
        raise WireError(
            f"The {kind} time {time} of {record.origin} cannot be recorded: MCAP holds no times "
            "before 1970, and 64 bits none after 2262",
            field="log_time" if kind == "log" else "publish_time",
        )
