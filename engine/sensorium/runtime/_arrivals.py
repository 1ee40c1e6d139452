"""When events were read, by the wall clock, found again from their log times."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from sensorium.events import AlignedSet, Event

__all__ = ["Arrivals"]


class Arrivals:
    """Remembers when the newest polls were made.

    Parameters
    ----------
    size
        How many polls are remembered.
    """

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        self._log_times: list[int] = []
        self._read: list[int] = []

    def note(self, events: Sequence[Event], now: int) -> None:
        """Note that these events have just been read."""
        newest = max((event.arrived or 0 for event in events), default=0)
        if not self._log_times or newest > self._log_times[-1]:
            self._log_times.append(newest)
            self._read.append(now)
        if len(self._log_times) > self._size:
            del self._log_times[: self._size // 2], self._read[: self._size // 2]

    def of(self, aligned: AlignedSet, default: int) -> int:
        """When the newest member of a set was read."""
        arrived = [event.arrived or 0 for events in aligned.members.values() for event in events]
        newest = max(arrived, default=0)
        at = bisect_left(self._log_times, newest)
        return self._read[at] if at < len(self._read) else default
