"""Where the chunks of an MCAP file are: from its summary, or found again where it has none.

A recorder that dies leaves a file without a summary. Its whole chunks are then looked up one
after the other, so that such a file is read in the order of log times too, a chunk at a time.
"""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from mcap.data_stream import ReadDataStream
from mcap.reader import SeekingReader
from mcap.records import Channel, Chunk, ChunkIndex, Footer, Message
from mcap.stream_reader import StreamReader, breakup_chunk

__all__ = ["Index", "read_index"]

_MAGIC: Final = b"\x89MCAP0\r\n"
#: A record's opcode and length, in bytes.
_HEAD: Final = 9
#: A chunk's fixed fields and the head of its record, in bytes.
_CHUNK_OVERHEAD: Final = _HEAD + 40


@dataclass(frozen=True, slots=True)
class Index:
    """What can be read of a file.

    Parameters
    ----------
    channels
        All channels by their ids.
    chunks
        Where its chunks are.
    loose
        The messages outside chunks, in the order of log times.
    problem
        Why the rest cannot be read; empty where all can.
    """

    channels: Mapping[int, Channel]
    chunks: Sequence[ChunkIndex]
    loose: Sequence[Message] = ()
    problem: str = ""

    def chunked(self, file: BinaryIO, wanted: Collection[int]) -> Iterator[Message]:
        """The messages in chunks, of the wanted channels, in the order of log times; of equal
        ones, as they were written.

        The library's own reader gives the same. It keeps the messages on a heap that compares them
        in Python, which takes longer than to read them.

        Raises
        ------
        ValueError
            If a message is of a channel that the file does not describe.
        """
        waiting: list[_Placed] = []
        for chunk in sorted(
            self.chunks, key=lambda it: (it.message_start_time, it.chunk_start_offset)
        ):
            inside = chunk.message_index_offsets.keys()
            # A file without indexes of messages does not say what is in a chunk.
            if inside and inside <= self.channels.keys() and inside.isdisjoint(wanted):
                continue
            # No chunk from here on has an earlier message.
            ready = bisect_left(waiting, (chunk.message_start_time,))
            yield from [message for *_, message in waiting[:ready]]
            del waiting[:ready]
            for number, message in enumerate(_messages_of(file, chunk)):
                if message.channel_id in wanted:
                    place = message.log_time, chunk.chunk_start_offset, number, message
                    waiting.append(place)
                elif message.channel_id not in self.channels:
                    raise ValueError(f"a message of the unknown channel {message.channel_id}")
            waiting.sort()
        yield from [message for *_, message in waiting]


#: A message by its log time, where its chunk starts, and its number in there: no two are alike.
_Placed = tuple[int, int, int, Message]


def _messages_of(file: BinaryIO, chunk: ChunkIndex) -> list[Message]:
    file.seek(chunk.chunk_start_offset + _HEAD)
    records = breakup_chunk(Chunk.read(ReadDataStream(file)), validate_crc=True)
    return [record for record in records if isinstance(record, Message)]


def read_index(file: BinaryIO) -> Index:
    """Find what can be read.

    Raises
    ------
    ValueError
        If the file does not begin as an MCAP file does.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("the file does not begin as MCAP")
    file.seek(0)
    reader = SeekingReader(file, validate_crcs=True, record_size_limit=size)
    try:
        summary = reader.get_summary()
    except Exception:  # whatever it is, the chunks are looked up instead
        summary = None
    if summary is not None and summary.chunk_indexes and summary.channels:
        return Index(summary.channels, summary.chunk_indexes)
    return _Rebuilder(file, size).index()


class _Rebuilder:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._channels: dict[int, Channel] = {}
        self._chunks: list[ChunkIndex] = []
        self._loose: list[Message] = []

    def index(self) -> Index:
        problem = self._scan()
        self._loose.sort(key=lambda message: message.log_time)
        return Index(self._channels, self._chunks, self._loose, problem)

    def _scan(self) -> str:
        """Go through the file; say why it ends early, if it does."""
        self._file.seek(0)
        stream = StreamReader(self._file, emit_chunks=True, record_size_limit=self._size)
        try:
            for record in stream.records:
                if isinstance(record, Chunk):
                    self._chunk(record)
                elif isinstance(record, Message):
                    self._channels[record.channel_id]  # one that is unknown ends the file
                    self._loose.append(record)
                elif isinstance(record, Footer):
                    return ""
                else:
                    self._define(record)
        except Exception as error:  # the library raises many kinds
            return str(error) or "the file ends early"
        return "the file ends early"

    def _chunk(self, chunk: Chunk) -> None:
        end = self._file.tell()
        if not chunk.compression and len(chunk.data) != chunk.uncompressed_size:
            raise EOFError("a chunk ends early")
        for record in breakup_chunk(chunk, validate_crc=True):
            self._define(record)
        length = _CHUNK_OVERHEAD + len(chunk.compression.encode()) + len(chunk.data)
        self._chunks.append(
            ChunkIndex(
                chunk_length=length,
                chunk_start_offset=end - length,
                compression=chunk.compression,
                compressed_size=len(chunk.data),
                message_end_time=chunk.message_end_time,
                message_index_length=0,
                message_index_offsets={},
                message_start_time=chunk.message_start_time,
                uncompressed_size=chunk.uncompressed_size,
            )
        )

    def _define(self, record: object) -> None:
        if isinstance(record, Channel):
            self._channels[record.id] = record
