"""What the aligner keeps per stream, and per stream of a key: log time, bounds, what was seen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from heapq import heappop

from sensorium.durations import INFINITY, Duration
from sensorium.events import Event
from sensorium.plugin import Matcher, StreamSpec

__all__ = ["History", "KeyState", "KeyStream", "StreamState"]


class History:
    """How a bound grew with log time, so that it can be asked for as of a passed deadline.

    The bound as of log time L is the last one that was noted at a log time <= L.
    """

    __slots__ = ("bounds", "log_times")

    def __init__(self, log_times: Iterable[Duration] = (), bounds: Iterable[Duration] = ()) -> None:
        self.log_times = list(log_times)
        self.bounds = list(bounds)

    def note(self, log_time: Duration, bound: Duration, floor: Duration) -> None:
        """Note a new, greater bound; forget what lies before `floor`, the least log time that
        can still be asked for."""
        if self.log_times and self.log_times[-1] == log_time:
            self.bounds[-1] = bound
            return
        if len(self.log_times) >= 8:
            # The last entry at or before the floor still answers for the floor itself.
            keep = bisect_right(self.log_times, floor) - 1
            if keep > 0:
                del self.log_times[:keep]
                del self.bounds[:keep]
        self.log_times.append(log_time)
        self.bounds.append(bound)

    def at(self, log_time: Duration) -> Duration:
        """The bound as of a log time; minus infinity before the first note."""
        index = bisect_right(self.log_times, log_time)
        return self.bounds[index - 1] if index else -INFINITY


class StreamState:
    """One stream: its rules, its log time, and the bound that it gives to every key."""

    __slots__ = (
        "explicit",
        "history",
        "index",
        "lateness",
        "log_time",
        "max_delay",
        "max_duration",
        "max_future",
        "name",
        "offset",
        "shared_bound",
        "wake_by_bound",
        "wake_by_log_time",
    )

    def __init__(self, index: int, name: str, spec: StreamSpec, *, keep_history: bool) -> None:
        self.index = index
        self.name = name
        self.lateness = spec.lateness
        self.max_delay = spec.max_delay
        self.max_future = spec.max_future
        self.max_duration = spec.max_duration
        self.offset = int(spec.offset)
        #: F: the greatest log time read.
        self.log_time: Duration = -INFINITY
        #: The greatest explicit bound for all keys; infinity once closed.
        self.explicit: Duration = -INFINITY
        #: max(explicit, log_time - max_delay): the bound of a key that was never seen.
        self.shared_bound: Duration = -INFINITY
        self.history = History() if keep_history else None
        #: Heaps of (shared bound or log time at which to look again, key).
        self.wake_by_bound: list[tuple[Duration, str]] = []
        self.wake_by_log_time: list[tuple[Duration, str]] = []

    def read_up_to(self, log_time: Duration) -> None:
        """The stream has been read up to a log time, greater than before."""
        self.log_time = log_time
        bound = log_time - self.max_delay
        if bound > self.shared_bound:
            self.shared_bound = bound

    def corrected(self, event: Event, clock: Callable[[], int]) -> tuple[Event, int]:
        """An event with the offset added to its time and with a log time; and this."""
        arrived = clock() if event.arrived is None else event.arrived
        return replace(event, time=event.time + self.offset, id=event.id, arrived=arrived), arrived

    def promise(self, bound: Duration, floor: Duration) -> None:
        """Nothing older than `bound` will count, for any key."""
        if bound > self.explicit:
            self.explicit = bound
            if self.history is not None:
                self.history.note(self.log_time, bound, floor)
            self.shared_bound = max(self.shared_bound, bound)

    def woken(self, keys: Mapping[str, KeyState]) -> Iterable[KeyState]:
        """Take out the keys that waited for what the stream has now reached."""
        by_bound, by_log_time = self.wake_by_bound, self.wake_by_log_time
        if not (by_bound and by_bound[0][0] <= self.shared_bound) and not (
            by_log_time and by_log_time[0][0] <= self.log_time
        ):
            return ()
        woken: dict[KeyState, None] = {}
        while by_bound and by_bound[0][0] <= self.shared_bound:
            need, name = heappop(by_bound)
            key = keys.get(name)
            # Another place in the heap is of an earlier call of `settle`, and void.
            if key is not None and key.streams[self.index].wake_bound == need:
                key.streams[self.index].wake_bound = INFINITY
                woken[key] = None
        while by_log_time and by_log_time[0][0] <= self.log_time:
            need, name = heappop(by_log_time)
            key = keys.get(name)
            if key is not None and key.streams[self.index].wake_log_time == need:
                key.streams[self.index].wake_log_time = INFINITY
                woken[key] = None
        return woken


class KeyStream:
    """One stream of one key."""

    __slots__ = ("bound", "history", "repeated", "seen", "wake_bound", "wake_log_time")

    def __init__(self, *, keep_history: bool) -> None:
        #: max(newest accepted time - lateness, explicit bounds of this key).
        self.bound: Duration = -INFINITY
        self.history = History() if keep_history else None
        #: Log time per record that was not invalid, by its time (or time and id), in log order:
        #: the memory for duplicates, and for the times that no further event can take.
        self.seen: dict[Hashable, int] = {}
        #: Log time of invalid records, of which only the record itself is known, not its time;
        #: and of the last duplicate per record that had one, while `seen` says when a time was
        #: first taken.
        self.repeated: dict[Hashable, int] | None = None
        #: The least entries of this key in the stream's wake heaps.
        self.wake_bound: Duration = INFINITY
        self.wake_log_time: Duration = INFINITY

    def raise_bound(self, bound: Duration, log_time: Duration, floor: Duration) -> bool:
        """Raise the key's own bound; `log_time` is the stream's now.

        Returns
        -------
        bool
            Whether that passes what the matcher waits for.
        """
        self.bound = bound
        if self.history is not None:
            self.history.note(log_time, bound, floor)
        if bound < self.wake_bound:
            return False
        self.wake_bound = INFINITY
        return True

    def repeats(
        self, slot: Hashable, record: Hashable, arrived: int, least: Duration, horizon: Duration
    ) -> bool:
        """Whether a record is a duplicate of one logged within the horizon; `slot` is its time,
        or the record, where one time may have several."""
        self.forget(arrived, least, horizon)
        limit = arrived - horizon
        if self.repeated:
            forget_records(self.repeated, limit)
        for memory in (self.seen, self.repeated):
            if memory:
                for name in (slot, record):
                    if name in memory and memory[name] >= limit:
                        # Remembered, too, so that a further one is known by it.
                        self.note(name, arrived)
                        return True
        self.seen.pop(slot, None)  # it is of long ago, and noted anew
        return False

    def forget(self, arrived: int, least: Duration, horizon: Duration) -> None:
        """Drop what no duplicate of a record that is logged now could repeat.

        Where sets have deadlines, what was seen by then is asked for until every stream has passed
        it: `least` is the least log time over the streams.
        """
        newest = arrived if self.history is None else min(arrived, least)
        forget_records(self.seen, newest - horizon)

    def note(self, slot: Hashable, arrived: int) -> None:
        """Remember an invalid record or a duplicate."""
        if self.repeated is None:
            self.repeated = {}
        self.repeated.pop(slot, None)
        self.repeated[slot] = arrived


def forget_records(seen: dict[Hashable, int], limit: Duration) -> None:
    """Drop the records that were logged before `limit`; `seen` is in log order."""
    while seen:
        first = next(iter(seen))
        if seen[first] >= limit:
            return
        del seen[first]


class KeyState:
    """One key: its streams, its matcher, and when it was last heard of."""

    __slots__ = ("key", "look_at", "matcher", "newest", "streams")

    def __init__(self, key: str, streams: list[KeyStream], matcher: Matcher) -> None:
        self.key = key
        self.streams = streams
        self.matcher = matcher
        #: The greatest log time of its records.
        self.newest: Duration = -INFINITY
        #: The log time at which to look whether it may be packed or forgotten.
        self.look_at: Duration = -INFINITY
