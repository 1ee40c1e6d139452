"""JSON lines from a file or from standard input: one record a line."""

from __future__ import annotations

import json
import os
import select
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from sensorium.errors import RunError
from sensorium.plugin import Batch, PluginConfig, Record, Source
from sensorium.wire import MAX_BYTES

__all__ = ["JsonLinesConfig", "JsonLinesSource"]

_BLOCK: Final = 1 << 16


class JsonLinesConfig(PluginConfig):
    """Where the lines are.

    Parameters
    ----------
    path
        A file, or ``"-"`` for standard input.
    """

    path: str = "-"


class JsonLinesSource(Source):
    """One record a line, whatever it holds: ingest tells the good from the bad.

    All records are of one topic, ``-`` or the file's name, with partition 0 and the line's number,
    from 1, as offset. Lines of white space alone are passed over. Of a file, an integer
    ``arrived`` (ns since the epoch) in the line's object is the log time; without it, and of
    standard input, the clock decides. A line longer than 32 MiB is cut there, so that ingest
    refuses it for its size.

    Parameters
    ----------
    config
        A `JsonLinesConfig`.
    topics
        Not needed: the lines name their streams.
    descriptor
        Read instead of standard input where the path is ``"-"``.
    max_line
        Where a line is cut, in bytes.
    """

    name: ClassVar[str] = "jsonl"
    Config: ClassVar[type[PluginConfig]] = JsonLinesConfig

    def __init__(
        self,
        config: JsonLinesConfig,
        topics: Sequence[str],
        *,
        descriptor: int | None = None,
        max_line: int = MAX_BYTES,
    ) -> None:
        super().__init__(config, topics)
        self._live = config.path == "-"
        self._topic = "-" if self._live else Path(config.path).name
        self._descriptor = descriptor
        self._owned = False
        self._lines = _Lines(max_line)
        self._ended = False
        self._lock = threading.Lock()

    def partitions(self) -> Sequence[int]:
        """Always partition 0 alone."""
        return [0]

    def poll(self, limit: int, timeout: float) -> Batch:
        """Give the next lines.

        Raises
        ------
        RunError
            If the file cannot be read.
        """
        with self._lock:
            if not self._ended and not self._lines.ready:
                self._read(timeout)
            while not self._ended and len(self._lines.ready) < limit and self._read(0.0):
                pass
            taken, self._lines.ready[:] = self._lines.ready[:limit], self._lines.ready[limit:]
            ended = self._ended and not self._lines.ready
        return Batch([self._record(number, line) for number, line in taken], ended=ended)

    def close(self) -> None:
        """Stop reading."""
        with self._lock:
            self._ended = True
            self._lines.ready.clear()
            if self._owned and self._descriptor is not None:
                os.close(self._descriptor)
                self._owned = False

    def _record(self, number: int, line: bytes) -> Record:
        arrived = None if self._live else _arrived(line)
        return Record(self._topic, 0, number, line, arrived=arrived)

    def _read(self, timeout: float) -> bool:
        """Read a block if there is one within `timeout` seconds."""
        descriptor = self._open()
        try:
            poller = select.poll()
            poller.register(descriptor, select.POLLIN)
            if not poller.poll(max(0, round(timeout * 1000))):
                return False
            block = os.read(descriptor, _BLOCK)
        except OSError as error:
            raise RunError(f"{self._name()}: cannot be read ({error.strerror})") from error
        if block:
            self._lines.feed(block)
        else:
            self._lines.finish()
            self._ended = True
        return True

    def _open(self) -> int:
        if self._descriptor is None:
            if self._live:
                self._descriptor = sys.stdin.fileno()
            else:
                try:
                    self._descriptor = os.open(self.config.path, os.O_RDONLY | os.O_CLOEXEC)
                except OSError as error:
                    raise RunError(
                        f"{self._name()}: cannot be opened ({error.strerror}); check the path"
                    ) from error
                self._owned = True
        return self._descriptor

    def _name(self) -> str:
        return "standard input" if self._live else str(self.config.path)


class _Lines:
    """Cuts blocks into numbered lines, holding no more of one than is needed."""

    def __init__(self, longest: int) -> None:
        self.ready: list[tuple[int, bytes]] = []
        self._longest = longest
        self._parts: list[bytes] = []
        self._held = 0
        self._number = 1

    def feed(self, block: bytes) -> None:
        first, *rest = block.split(b"\n")
        self._hold(first)
        for part in rest:
            self.finish()
            self._hold(part)

    def finish(self) -> None:
        line = b"".join(self._parts)
        if line.strip():
            self.ready.append((self._number, line))
        self._parts.clear()
        self._held = 0
        self._number += 1

    def _hold(self, part: bytes) -> None:
        # One byte more than the limit is kept, so that the line is seen to exceed it.
        part = part[: self._longest + 1 - self._held]
        if part:
            self._parts.append(part)
            self._held += len(part)


def _arrived(line: bytes) -> int | None:
    if b'"arrived"' not in line:
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    arrived = value.get("arrived") if isinstance(value, dict) else None
    return arrived if type(arrived) is int and abs(arrived) < 2**63 else None
