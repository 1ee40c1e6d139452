"""When events were read, by the wall clock, and how long it took from there to the sink."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from sensorium.events import AlignedSet, Event
from sensorium.runtime._microbatch import Worked

__all__ = ["Arrivals", "Latencies"]

_LATENCIES_KEPT: Final = 65_536


class Arrivals:
    """Remembers when the newest polls were made, and finds it again by the log times of events.

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
        newest = max([event.arrived or 0 for event in events], default=0)
        if not self._log_times or newest > self._log_times[-1]:
            self._log_times.append(newest)
            self._read.append(now)
        if len(self._log_times) > self._size:
            del self._log_times[: self._size // 2], self._read[: self._size // 2]

    def of(self, aligned: AlignedSet, default: int) -> int:
        """When the newest member of a set was read."""
        newest = 0
        for events in aligned.members.values():
            for event in events:
                arrived = event.arrived
                if arrived is not None and arrived > newest:
                    newest = arrived
        at = bisect_left(self._log_times, newest)
        return self._read[at] if at < len(self._read) else default


class Latencies:
    """How long the newest predictions took to the sink, in ns."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, int]] = deque(maxlen=_LATENCIES_KEPT)

    def note(self, worked: Worked, now: int) -> list[int]:
        """Note that the predictions of a micro-batch have just been handed to the sink.

        Returns
        -------
        list[int]
            How long ago the newest member of each set was read.
        """
        batch, rows = worked.batch, worked.fused.rows.tolist()
        settled = [now - batch.settled[row] for row in rows]
        read = [now - batch.read[row] for row in rows]
        self._kept.extend(zip(settled, read, strict=True))
        return read

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Since each set was settled, and since its newest member was read."""
        return iter(self._kept)

    def __contains__(self, latency: object) -> bool:
        return latency in self._kept
