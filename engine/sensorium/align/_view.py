"""What a matcher sees of the aligner: bounds, log time, and what may still come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from heapq import heappush

from sensorium.align._memory import Memory
from sensorium.align._state import KeyState, StreamState
from sensorium.durations import INFINITY, Duration
from sensorium.errors import AlignmentError
from sensorium.events import Event, Fate
from sensorium.plugin import Deadlines, Entry, Matcher, View

__all__ = ["KeyView"]


class KeyView(View):
    """The view of one key at a time; the aligner points it at the key that it settles."""

    __slots__ = (
        "deadline", "deadlines", "distinct", "fates", "given_up", "key", "late", "memory",
        "streams",
    )  # fmt: skip

    def __init__(
        self,
        streams: list[StreamState],
        deadlines: Deadlines,
        *,
        distinct: bool,
        fates: Counter[Fate],
        memory: Memory | None,
        late: list[Event] | None,
    ) -> None:
        self.streams = streams
        self.deadlines = deadlines
        #: The only one; None where it was changed.
        self.deadline = None if deadlines.earlier else deadlines.now
        self.distinct = distinct
        self.fates = fates
        self.memory = memory
        #: Where late events are kept, if they are.
        self.late = late
        self.key: KeyState
        #: How many open sets were given up, since a limit was exceeded.
        self.given_up = 0

    def bound(self, stream: int, at: Duration = INFINITY) -> Duration:
        state = self.streams[stream]
        own = self.key.streams[stream]
        if state.log_time <= at:
            return own.bound if own.bound > state.shared_bound else state.shared_bound
        # The stream has been read beyond `at`, so all that was logged by then is known, and
        # its log time stood at `at` exactly.
        bound = at - state.max_delay
        if state.history is not None:
            bound = max(bound, state.history.at(at))
        if own.history is not None:
            bound = max(bound, own.history.at(at))
        return bound

    def passed(self, stream: int, log_time: Duration) -> bool:
        return self.streams[stream].log_time > log_time

    def open(self, stream: int, first: Duration, last: Duration, at: Duration = INFINITY) -> bool:
        state = self.streams[stream]
        own = self.key.streams[stream]
        now = state.log_time <= at
        if now:
            time = own.bound if own.bound > state.shared_bound else state.shared_bound
        else:
            time = self.bound(stream, at)
        if time < first:
            time = first
        if time > last:
            return False
        if self.distinct:
            seen = own.seen
            while time in seen and seen[time] <= at:
                time += 1
                if time > last:
                    return False
        if now:
            self.wake(stream, last, at)
        return True

    def wake(self, stream: int, last: Duration, at: Duration = INFINITY) -> None:
        state = self.streams[stream]
        own = self.key.streams[stream]
        need = last + 1
        if self.distinct:
            # Times already taken cannot come again: the bound need not pass them.
            seen = own.seen
            while need - 1 in seen:
                need -= 1
        if need < own.wake_bound:
            own.wake_bound = need
            heappush(state.wake_by_bound, (need, self.key.key))
        if at + 1 < own.wake_log_time:
            own.wake_log_time = at + 1
            heappush(state.wake_by_log_time, (at + 1, self.key.key))

    def due(self, base: Duration) -> Duration:
        return self.deadlines.due(base) if self.deadline is None else base + self.deadline

    def overdue(self, log_time: Duration) -> Duration:
        if self.deadline is None:
            return self.deadlines.overdue(log_time)
        return log_time - self.deadline

    def give_up_first(self, memory: Memory) -> KeyState:
        """Give up the sets of what has been pending longest; gives its key.

        Raises
        ------
        AlignmentError
            If the matcher does not let go of it.
        """
        entry, self.key = memory.first()
        self.key.matcher.evict(entry, self)
        if entry in memory:
            raise _not_released(self.key.matcher)
        return self.key

    def evict(self, key: KeyState) -> None:
        """Release all that a key holds."""
        self.key = key
        matcher = key.matcher
        before = None
        while (entry := next(iter(matcher.held()), None)) is not None:
            if entry is before:
                raise _not_released(matcher)
            matcher.evict(entry, self)
            before = entry

    def give_up(self, sets: int = 1) -> None:
        self.given_up += sets

    def release(self, entry: Entry) -> None:
        self.fates[entry.fate] += 1
        if self.memory is not None:
            self.memory.drop(entry)
        if self.late is not None and entry.fate is Fate.LATE:
            self.late.append(entry.event)

    def release_all(self, entries: Iterable[Entry]) -> None:
        if self.memory is not None or self.late is not None:
            super().release_all(entries)
            return
        fates = self.fates
        for entry in entries:
            fates[entry.fate] += 1


def _not_released(matcher: Matcher) -> AlignmentError:
    return AlignmentError(f"{type(matcher).__name__}.evict has not released its entry")
