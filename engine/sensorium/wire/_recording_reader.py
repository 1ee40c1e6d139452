"""Reading recordings: this engine's, other tools' MCAP files, and files that were cut off."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from sensorium.errors import RunError, WireError
from sensorium.plugin import Record
from sensorium.wire._checks import INT64_MAX
from sensorium.wire._msgpack import decode_value
from sensorium.wire._recording import LAYOUT, LAYOUT_KEY, PARTITION_KEY

if TYPE_CHECKING:
    from mcap.records import Channel, Message

    from sensorium.wire._recording_index import Index

__all__ = ["RecordingReader", "read_recording"]

_Found: TypeAlias = "tuple[Channel, Message]"


def read_recording(path: Path | str, topics: Collection[str] | None = None) -> Iterator[Record]:
    """Read the records of a recording in the order of their log times.

    Parameters
    ----------
    path
        An MCAP file.
    topics
        Those to read; None for all.

    Raises
    ------
    RunError
        If the file is not there or no MCAP file; after the last readable record, if it is cut off
        or damaged.
    """
    with RecordingReader(path) as reader:
        yield from reader.records(topics)


class RecordingReader:
    """A recording, open for reading; a context manager.

    Messages of channels that Sensorium did not write become records with partition 0, no key, the
    message as data, its publish time as time, and offsets counted per topic.

    Parameters
    ----------
    path
        An MCAP file.

    Raises
    ------
    RunError
        If it is not there or no MCAP file.
    """

    def __init__(self, path: Path | str) -> None:
        from sensorium.wire._recording_index import read_index  # late: it imports mcap

        self._path = Path(path)
        try:
            self._file: BinaryIO = self._path.open("rb")
        except OSError as error:
            raise RunError(
                f"{self._path}: the recording cannot be opened ({error.strerror}); check the path"
            ) from error
        try:
            self._index: Index = read_index(self._file)
        except ValueError as error:
            self._file.close()
            raise RunError(f"{self._path}: {error}; is it an MCAP recording?") from None

    @property
    def partitions(self) -> Mapping[str, tuple[int, ...]]:
        """Per topic of the recording, its partition numbers in ascending order."""
        found: dict[str, set[int]] = {}
        for channel in self._index.channels:
            partition = self._partition(channel) if _is_ours(channel) else 0
            found.setdefault(channel.topic, set()).add(partition)
        return {topic: tuple(sorted(found[topic])) for topic in sorted(found)}

    def records(self, topics: Collection[str] | None = None) -> Iterator[Record]:
        """The records in the order of their log times; of equal ones, as they were written.

        Raises
        ------
        RunError
            After the last readable record, if the file is cut off or damaged.
        """
        offsets: Counter[str] = Counter()
        count = 0
        messages = self._messages(topics)
        while True:
            try:
                found = next(messages, None)
            except Exception as error:  # the library raises many kinds on damaged bytes
                raise self._damaged(count, str(error) or type(error).__name__) from error
            if found is None:
                break
            yield self._record(*found, offsets)
            count += 1
        if self._index.problem:
            raise self._damaged(count, self._index.problem)

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()

    def __enter__(self) -> RecordingReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _messages(self, topics: Collection[str] | None) -> Iterator[_Found]:
        wanted = None if topics is None else set(topics)
        loose = iter(
            [item for item in self._index.loose if wanted is None or item[0].topic in wanted]
        )
        if self._index.reader is None:
            return loose
        chunked = (
            (channel, message) for _, channel, message in self._index.reader.iter_messages(wanted)
        )
        return heapq.merge(chunked, loose, key=lambda found: found[1].log_time)

    def _record(self, channel: Channel, message: Message, offsets: Counter[str]) -> Record:
        if message.log_time > INT64_MAX:
            raise RunError(
                f"{self._path}: a message of {channel.topic} has the log time {message.log_time}, "
                "beyond 64 bits (the year 2262); record it again with nanoseconds since 1970"
            )
        if _is_ours(channel):
            return self._own(channel, message)
        offset = offsets[channel.topic]
        offsets[channel.topic] += 1
        return Record(
            topic=channel.topic,
            partition=0,
            offset=offset,
            data=message.data,
            headers={"content-type": b"application/json"}
            if channel.message_encoding == "json"
            else {},
            time=message.publish_time if message.publish_time <= INT64_MAX else None,
            arrived=message.log_time,
        )

    def _own(self, channel: Channel, message: Message) -> Record:
        try:
            fields = decode_value(message.data, max_bytes=len(message.data))
            return Record(
                topic=channel.topic,
                partition=self._partition(channel),
                offset=fields["offset"],
                data=fields["value"],
                key=fields["key"],
                headers=fields["headers"],
                time=fields["time"],
                arrived=message.log_time,
            )
        except (WireError, KeyError, TypeError) as error:
            raise RunError(
                f"{self._path}: a message of {channel.topic} is not what Sensorium records "
                f"({error}); record it again"
            ) from error

    def _partition(self, channel: Channel) -> int:
        partition = channel.metadata.get(PARTITION_KEY, "")
        if not (partition.isascii() and partition.isdecimal()) or len(partition) > 9:
            raise RunError(
                f"{self._path}: the channel of {channel.topic} names no partition; record it again"
            )
        return int(partition)

    def _damaged(self, count: int, problem: str) -> RunError:
        return RunError(
            f"{self._path}: the recording is cut off or damaged after {count} records ({problem}); "
            f"those were read. Record it again, or keep what is readable with "
            f"`mcap recover {self._path} -o NEW.mcap`"
        )


def _is_ours(channel: Channel) -> bool:
    return channel.metadata.get(LAYOUT_KEY) == LAYOUT
