"""The handler of the command line: it writes to a stream, and sums up what repeats."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, TextIO, TypeAlias

from sensorium.observe._log_format import HumanFormatter, JsonFormatter

__all__ = ["LOG_LEVELS", "LogFormat", "SummingHandler", "logging_to"]

LogFormat: TypeAlias = Literal["human", "json"]

LOG_LEVELS: Final = ("debug", "info", "warning", "error")

#: How many of the same kind are written in an interval, and how long that is, in seconds.
_FIRST: Final = 3
_EVERY: Final = 60.0
#: How many kinds are told apart; of more, only the loggers and levels.
_MOST: Final = 256


@dataclass(slots=True)
class _Kind:
    """Records of one kind in the present interval."""

    began: float
    count: int
    last: logging.LogRecord


class SummingHandler(logging.StreamHandler[TextIO]):
    """Writes records; of warnings and errors of one kind the first few in each interval, and at
    its end how many more there were.

    Of one kind are records of the same logger, level and text before its arguments are filled in,
    and of the same stage, stream, plugin and error where they say so.

    Parameters
    ----------
    stream
        Where to write.
    first, every
        How many in each interval, and its length in seconds.
    timer
        Gives seconds that only grow.
    """

    def __init__(
        self,
        stream: TextIO,
        first: int = _FIRST,
        every: float = _EVERY,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(stream)
        self._first = first
        self._every = every
        self._now = timer
        self._kinds: dict[Hashable, _Kind] = {}
        self._alarm: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it."""
        self.sum_up()
        if record.levelno < logging.WARNING:
            super().emit(record)
            return
        key = _kind(record) if len(self._kinds) < _MOST else (record.name, record.levelno)
        kind = self._kinds.setdefault(key, _Kind(self._now(), 0, record))
        kind.count += 1
        kind.last = record
        if kind.count <= self._first:
            super().emit(record)
        elif self._alarm is None:
            # What is held back is told in time even if nothing else is ever logged.
            self._alarm = threading.Timer(self._every, self._ring)
            self._alarm.daemon = True
            self._alarm.start()

    def sum_up(self, *, all_of_it: bool = False) -> None:
        """Tell of what was held back in intervals that are over, or in all of them."""
        now = self._now()
        for key, kind in list(self._kinds.items()):
            if all_of_it or now - kind.began >= self._every:
                del self._kinds[key]
                if kind.count > self._first:
                    super().emit(_summary(kind, kind.count - self._first, now - kind.began))

    def close(self) -> None:
        """Tell of what was held back; the stream stays open."""
        self.acquire()
        try:
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None
            self.sum_up(all_of_it=True)
        finally:
            self.release()
        super().close()

    def _ring(self) -> None:
        self.acquire()
        try:
            if self._alarm is not None:
                self._alarm = None
                self.sum_up(all_of_it=True)
        finally:
            self.release()


def _kind(record: logging.LogRecord) -> Hashable:
    own = (getattr(record, name, None) for name in ("stage", "stream", "plugin", "error"))
    return (record.name, record.levelno, record.msg, *own)


def _summary(kind: _Kind, held_back: int, seconds: float) -> logging.LogRecord:
    said = {**vars(kind.last), "exc_info": None, "exc_text": None, "args": ()}
    said["msg"] = f"{held_back} more in {seconds:.0f} s like: {kind.last.getMessage()}"
    said["repeated"] = held_back
    said["created"] = time.time()
    said["msecs"] = said["created"] % 1 * 1000
    return logging.makeLogRecord(said)


@contextmanager
def logging_to(stream: TextIO, form: LogFormat = "human", level: str = "info") -> Iterator[None]:
    """While this lasts, log to a stream: for programs, not for libraries.

    Sensorium's own loggers from `level` on, all others from ``warning`` on.

    Parameters
    ----------
    stream
        Where to write.
    form
        ``human`` or ``json``.
    level
        One of `LOG_LEVELS`.
    """
    handler = SummingHandler(stream)
    handler.setFormatter(JsonFormatter() if form == "json" else HumanFormatter())
    own = logging.getLogger("sensorium")
    before = own.level
    own.setLevel(level.upper())
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        own.setLevel(before)
        handler.close()
