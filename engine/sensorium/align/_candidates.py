"""The events of one stream of one key in the order of their times, and the best for an instant."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from sensorium.durations import INFINITY, Duration
from sensorium.plugin import Entry

__all__ = ["Candidates", "Reach", "last_instant", "reach_of"]

Pick = Literal["nearest", "first", "last"]


@dataclass(frozen=True, slots=True)
class Reach:
    """Which events of a stream may go with a primary at t: those that touch
    ``[t - before, t + after]``."""

    before: Duration
    after: Duration
    pick: Pick
    longest: Duration
    """The most instants that an event of the stream may cover (max_duration, at least 1)."""


@lru_cache(maxsize=256)
def reach_of(before: Duration, after: Duration, pick: Pick, longest: Duration) -> Reach:
    """A reach that all keys share."""
    return Reach(before, after, pick, longest)


def last_instant(entry: Entry) -> int:
    """The last instant that an event covers; its time, if it has no duration."""
    event = entry.event
    return event.time + event.duration - 1 if event.duration > 1 else event.time


class Candidates:
    """Entries of one stream, sorted by time."""

    __slots__ = ("entries", "longest", "times")

    def __init__(self) -> None:
        self.times: list[int] = []
        self.entries: list[Entry] = []
        #: The most instants that any entry here has covered.
        self.longest = 1

    def insert(self, entry: Entry) -> int:
        """Insert an entry; gives its position."""
        time = entry.event.time
        times = self.times
        position = len(times) if not times or times[-1] < time else bisect_right(times, time)
        times.insert(position, time)
        self.entries.insert(position, entry)
        if entry.event.duration > self.longest:
            self.longest = entry.event.duration
        return position

    def drop(self, count: int) -> None:
        """Drop the oldest entries."""
        del self.times[:count]
        del self.entries[:count]

    def best(self, t: int, reach: Reach, deadline: Duration) -> Entry | None:
        """The entry that goes with a primary at `t`, of those logged by the deadline."""
        if not self.times:
            return None
        if reach.pick == "nearest":
            return self._nearest(t, reach, deadline)
        return self._edge(t, reach, deadline)

    def _nearest(self, t: int, reach: Reach, deadline: Duration) -> Entry | None:
        split = bisect_right(self.times, t)
        if split and self.times[split - 1] == t and self.entries[split - 1].arrived <= deadline:
            return self.entries[split - 1]
        best: Entry | None = None
        distance: Duration = INFINITY
        for position in range(split - 1, -1, -1):
            # No entry this far left can cover an instant nearer than what was found.
            if t - (self.times[position] + self.longest - 1) > min(distance, reach.before):
                break
            entry = self.entries[position]
            if entry.arrived <= deadline:
                away = max(0, t - last_instant(entry))
                # Going left, an entry as near is an earlier one: the later stays.
                if away < distance and away <= reach.before:
                    best, distance = entry, away
        for position in range(split, len(self.times)):
            away = self.times[position] - t
            if away > reach.after or away > distance:
                break
            if self.entries[position].arrived <= deadline:
                best = self.entries[position]
                break
        return best

    def _edge(self, t: int, reach: Reach, deadline: Duration) -> Entry | None:
        low = bisect_left(self.times, t - reach.before - self.longest + 1)
        high = bisect_right(self.times, t + reach.after)
        positions = range(low, high) if reach.pick == "first" else range(high - 1, low - 1, -1)
        for position in positions:
            entry = self.entries[position]
            if entry.arrived <= deadline and last_instant(entry) >= t - reach.before:
                return entry
        return None
