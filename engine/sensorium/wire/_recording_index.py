"""Where the chunks of an MCAP file are: from its summary, or found again where it has none.

A recorder that dies leaves a file without a summary. Its whole chunks are then looked up one
after the other, so that such a file is read in the order of log times too, a chunk at a time.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from mcap.reader import SeekingReader
from mcap.records import Channel, Chunk, ChunkIndex, Footer, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk
from mcap.summary import Summary

__all__ = ["Index", "read_index"]

_MAGIC: Final = b"\x89MCAP0\r\n"
#: A chunk's fixed fields and the head of its record, in bytes.
_CHUNK_OVERHEAD: Final = 9 + 40


@dataclass(frozen=True, slots=True)
class Index:
    """What can be read of a file.

    Parameters
    ----------
    channels
        All channels.
    reader
        Reads the chunked messages; None where there are none.
    loose
        The messages outside chunks, in the order of log times.
    problem
        Why the rest cannot be read; empty where all can.
    """

    channels: Sequence[Channel]
    reader: SeekingReader | None
    loose: Sequence[tuple[Channel, Message]] = ()
    problem: str = ""


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
        return Index(list(summary.channels.values()), reader)
    return _Rebuilder(file, size).index()


class _Rebuilt(SeekingReader):
    """Reads by a summary that is not in the file."""

    def __init__(self, file: BinaryIO, summary: Summary) -> None:
        file.seek(0)
        super().__init__(file, validate_crcs=True)
        self._found = summary

    def get_summary(self) -> Summary:
        return self._found


class _Rebuilder:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._summary = Summary()
        self._loose: list[tuple[Channel, Message]] = []

    def index(self) -> Index:
        problem = self._scan()
        self._loose.sort(key=lambda found: found[1].log_time)
        reader = _Rebuilt(self._file, self._summary) if self._summary.chunk_indexes else None
        return Index(list(self._summary.channels.values()), reader, self._loose, problem)

    def _scan(self) -> str:
        """Go through the file; say why it ends early, if it does."""
        self._file.seek(0)
        stream = StreamReader(self._file, emit_chunks=True, record_size_limit=self._size)
        try:
            for record in stream.records:
                if isinstance(record, Chunk):
                    self._chunk(record)
                elif isinstance(record, Message):
                    self._loose.append((self._summary.channels[record.channel_id], record))
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
        self._summary.chunk_indexes.append(
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
            self._summary.channels[record.id] = record
        elif isinstance(record, Schema):
            self._summary.schemas[record.id] = record
