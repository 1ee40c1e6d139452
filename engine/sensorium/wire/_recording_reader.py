"""Reading recordings: this engine's, other tools' MCAP files, and files that were cut off."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import msgpack

from sensorium.errors import RunError, WireError
from sensorium.plugin import Record
from sensorium.wire._checks import INT64_MAX
from sensorium.wire._msgpack import decode_value
from sensorium.wire._recording import LAYOUT, LAYOUT_KEY, PARTITION_KEY
from sensorium.wire._walk import unique_map

if TYPE_CHECKING:
    from mcap.records import Channel, Message

    from sensorium.wire._recording_index import Index

__all__ = ["RecordingReader", "read_recording"]


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
        for channel in self._index.channels.values():
            found.setdefault(channel.topic, set()).add(self._partition(channel) or 0)
        return {topic: tuple(sorted(found[topic])) for topic in sorted(found)}

    def records(self, topics: Collection[str] | None = None) -> Iterator[Record]:
        """The records in the order of their log times; of equal ones, as they were written.

        Raises
        ------
        RunError
            After the last readable record, if the file is cut off or damaged.
        """
        count = 0
        try:
            channels = {
                number: channel
                for number, channel in self._index.channels.items()
                if topics is None or channel.topic in topics
            }
            offsets: Counter[str] = Counter()
            read = {it: self._reading(channel, offsets) for it, channel in channels.items()}
            for message in self._messages(channels):
                yield read[message.channel_id](message)
                count += 1
        except RunError:
            raise
        except Exception as error:  # the library raises many kinds on damaged bytes
            raise self._damaged(count, str(error) or type(error).__name__) from error
        if self._index.problem:
            raise self._damaged(count, self._index.problem)

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()

    def __enter__(self) -> RecordingReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _messages(self, channels: Mapping[int, Channel]) -> Iterator[Message]:
        """The messages of these channels."""
        index = self._index
        loose = (message for message in index.loose if message.channel_id in channels)
        chunked = index.chunked(self._file, channels.keys())
        return heapq.merge(chunked, loose, key=_log_time) if index.loose else chunked

    def _reading(self, channel: Channel, offsets: Counter[str]) -> Callable[[Message], Record]:
        """What makes records of a channel's messages."""
        partition = self._partition(channel)
        if partition is not None:
            return partial(self._own, channel.topic, partition)
        json = channel.message_encoding == "json"
        headers = {"content-type": b"application/json"} if json else {}
        return partial(self._foreign, channel.topic, headers, offsets)

    def _foreign(
        self, topic: str, headers: Mapping[str, bytes], offsets: Counter[str], message: Message
    ) -> Record:
        arrived = self._arrived(topic, message)
        time = message.publish_time if message.publish_time <= INT64_MAX else None
        offset = offsets[topic]
        offsets[topic] += 1
        return Record(topic, 0, offset, message.data, None, dict(headers), time, arrived)

    def _own(self, topic: str, partition: int, message: Message) -> Record:
        arrived = self._arrived(topic, message)
        try:
            it = _fields(message.data)
            return Record(
                topic, partition, it["offset"], it["value"], it["key"], it["headers"], it["time"],
                arrived,
            )  # fmt: skip
        except (WireError, KeyError) as error:
            raise RunError(
                f"{self._path}: a message of {topic} is not what Sensorium records "
                f"({error}); record it again"
            ) from error

    def _arrived(self, topic: str, message: Message) -> int:
        if message.log_time > INT64_MAX:
            raise RunError(
                f"{self._path}: a message of {topic} has the log time {message.log_time}, "
                "beyond 64 bits (the year 2262); record it again with nanoseconds since 1970"
            )
        return message.log_time

    def _partition(self, channel: Channel) -> int | None:
        """The partition number of a channel; None if other tools wrote it."""
        if channel.metadata.get(LAYOUT_KEY) != LAYOUT:
            return None
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


def _log_time(message: Message) -> int:
    return message.log_time


#: What the fields of a recorded message may be.
_KINDS: Final[Mapping[str, frozenset[type]]] = {
    "offset": frozenset({int}),
    "value": frozenset({bytes, type(None)}),
    "key": frozenset({bytes, type(None)}),
    "headers": frozenset({dict}),
    "time": frozenset({int, type(None)}),
}
_ALLOWED: Final = frozenset(product(*_KINDS.values()))


def _fields(data: bytes) -> dict[str, Any]:
    """What this engine has written of a record: a map of plain values, and the map of headers."""
    try:
        # The compiled reader, in a tenth of the time; what it does not like, `decode_value` names.
        fields = msgpack.unpackb(data, ext_hook=_no_extension, max_array_len=0)
        # With fewer fields than the first byte says, a key occurs twice; so it may in the headers.
        if len(fields) != data[0] & 0x0F or fields["headers"]:
            fields = msgpack.unpackb(
                data, object_pairs_hook=unique_map, ext_hook=_no_extension, max_array_len=0
            )
    except Exception:
        fields = decode_value(data, max_bytes=len(data))
    if type(fields) is not dict:
        raise WireError("Expected a map")
    kinds = tuple([type(fields[name]) for name in _KINDS])
    if kinds not in _ALLOWED:
        wrong = next(it for it, kind in zip(_KINDS, kinds, strict=True) if kind not in _KINDS[it])
        raise WireError(f"Its {wrong} is a `{type(fields[wrong]).__name__}`")
    for name, header in fields["headers"].items():
        if type(header) is not bytes:
            raise WireError(f"The header {name!r} is a `{type(header).__name__}`")
    return fields


def _no_extension(code: int, content: bytes) -> None:
    raise ValueError
