"""`approximate` with a deadline: what cannot be proven in time comes out as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sensorium.align._approximate_search import Candidate, Queue, candidate_is_best
from sensorium.align._waiting import NEVER
from sensorium.durations import INFINITY, Duration
from sensorium.events import Fate
from sensorium.plugin import Entry, Matcher, Settled, View

__all__ = ["TimedMatcher"]


class TimedMatcher(Matcher):
    """The sets of one key, each decided by what had been logged by its deadline.

    The deadline counts from the event that was logged first of those that are pending. By then
    either the next set is proven to be the best, as it would be without a deadline, or the streams
    make do with what they have. Everything is searched anew in every call, since an event that
    was logged after the deadline does not exist for this set, but may for the next one.

    Parameters
    ----------
    required
        The streams without which nothing is emitted; all, or a set that lacks a stream waits for
        its deadline.
    min_periods
        Per stream, how far its events lie apart at least.
    max_interval, penalty, queue_size
        Those of the policy; the penalty is a factor.
    """

    __slots__ = (
        "_boundaries", "_max_interval", "_min_periods", "_penalty", "_pending", "_queue_size",
        "_required",
    )  # fmt: skip

    def __init__(
        self,
        required: frozenset[int],
        min_periods: Sequence[int],
        max_interval: Duration,
        penalty: float,
        queue_size: int,
    ) -> None:
        self._required = required
        self._min_periods = min_periods
        self._max_interval = max_interval
        self._penalty = penalty
        self._queue_size = queue_size
        #: Per stream, what no set has used, in the order of time.
        self._pending: list[list[Entry]] = [[] for _ in min_periods]
        #: Per stream the time of the last event that was used or given up: sets do not cross.
        self._boundaries: list[Duration] = [-INFINITY] * len(min_periods)

    @property
    def idle(self) -> bool:
        return not any(self._pending)

    def rest(self, view: View) -> bool:
        bounds = enumerate(self._boundaries)
        return all(view.bound(stream) > boundary for stream, boundary in bounds)

    def add(self, stream: int, entry: Entry, view: View) -> bool:
        if entry.event.time <= self._boundaries[stream]:
            entry.mark(Fate.LATE)
            view.release(entry)
            return False
        waiting = self._pending[stream]
        at = len(waiting)
        while at and waiting[at - 1].event.time > entry.event.time:
            at -= 1
        waiting.insert(at, entry)
        if len(waiting) > self._queue_size:
            self._boundaries[stream] = waiting[0].event.time
            self.evict(waiting[0], view)
        return True

    def evict(self, entry: Entry, view: View) -> None:
        for waiting in self._pending:
            if entry in waiting:
                waiting.remove(entry)
        entry.fate = Fate.EVICTED
        view.release(entry)

    def held(self) -> Iterable[Entry]:
        for waiting in self._pending:
            yield from waiting

    def carry(self) -> tuple[Duration, ...] | None:
        return tuple(self._boundaries) if any(it != -INFINITY for it in self._boundaries) else None

    def resume(self, carried: Sequence[Duration]) -> None:
        self._boundaries = list(carried)

    def settle(self, view: View) -> Iterable[Settled]:
        settled: list[Settled] = []
        while not self.idle:
            first = min(entry.arrived for entry in self.held())
            if self._waits(first - 1, view):
                break  # what was logged before it, and would move the deadline, may still come
            deadline = view.due(first)
            visible = [
                [entry for entry in waiting if entry.arrived <= deadline]
                for waiting in self._pending
            ]
            if not self._prove(visible, deadline, view, settled):
                if self._waits(deadline, view):
                    break
                self._make_do(visible, deadline, view, settled)
        return settled

    def _waits(self, log_time: Duration, view: View) -> bool:
        """Whether some stream has not been read beyond a log time; asks to be called then."""
        behind = [
            stream
            for stream in range(len(self._pending))
            if not view.passed(stream, log_time) and view.bound(stream) != INFINITY
        ]
        for stream in behind:
            view.wake(stream, NEVER, log_time)
        return bool(behind)

    def _prove(
        self, visible: list[list[Entry]], at: Duration, view: View, settled: list[Settled]
    ) -> bool:
        """Emit the next whole set, or drop what can be in none, if that is certain by now."""
        ready = [self._ready(stream, part, at, view) for stream, part in enumerate(visible)]
        heads = [(part[0].event.time, stream) for stream, part in enumerate(ready) if part]
        if not heads:
            return False
        start, oldest = min(heads)
        last = min(start + self._max_interval, NEVER)
        for stream, part in enumerate(ready):
            if (part and part[0].event.time > last) or (not part and view.bound(stream, at) > last):
                # Without partial sets it is in no set; with them, it waits for its deadline.
                if len(self._required) < len(ready):
                    return False
                self._use(oldest, ready[oldest][0], at, view)
                return True
            if not part:
                view.wake(stream, last, at)
        if not all(ready):
            return False
        queues = [Queue(period) for period in self._min_periods]
        for queue, part in zip(queues, ready, strict=True):
            queue.heads.extend(part)
        candidate, members, proven = self._search(queues)
        if not proven and not candidate_is_best(candidate, queues, self._penalty, view, at):
            return False
        self._emit(candidate.end, dict(enumerate(members)), frozenset(), at, view, settled)
        return True

    @staticmethod
    def _ready(stream: int, part: list[Entry], at: Duration, view: View) -> list[Entry]:
        """What nothing older can precede any more."""
        for count, entry in enumerate(part):
            if view.open(stream, -INFINITY, entry.event.time - 1, at):
                return part[:count]
        return part

    def _search(self, queues: Sequence[Queue]) -> tuple[Candidate, list[Entry], bool]:
        """The best set of these events, its members, and whether no event to come could be in a
        better one; the queues are left where the search ended."""
        members = [queue.heads[0] for queue in queues]
        times = [entry.event.time for entry in members]
        end = max(times)
        pivot = len(times) - 1 - times[::-1].index(end)
        candidate = Candidate(pivot, end, min(times), end)
        while True:
            first = times.index(min(times))
            worse = (max(times) - candidate.end) * self._penalty
            if first == pivot or worse >= candidate.pivot_time - candidate.start:
                return candidate, members, True
            if len(queues[first].heads) == 1:
                # The virtual event of the proof follows the last one.
                queues[first].set_aside()
                return candidate, members, False
            queues[first].set_aside()
            times[first] = queues[first].heads[0].event.time
            if (max(times) - candidate.end) * self._penalty < min(times) - candidate.start:
                candidate.start, candidate.end = min(times), max(times)
                members = [queue.heads[0] for queue in queues]

    def _make_do(
        self, visible: list[list[Entry]], at: Duration, view: View, settled: list[Settled]
    ) -> None:
        """Emit the best set of what there is, or drop the oldest event if that is no set."""
        start, oldest = min(
            (part[0].event.time, stream) for stream, part in enumerate(visible) if part
        )
        last = start + self._max_interval
        there = [s for s, part in enumerate(visible) if part and part[0].event.time <= last]
        if not self._required <= set(there):
            self._use(oldest, visible[oldest][0], at, view)
            return
        queues = [Queue(self._min_periods[stream]) for stream in there]
        for queue, stream in zip(queues, there, strict=True):
            queue.heads.extend(visible[stream])
        candidate, entries, _ = self._search(queues)
        enough = candidate.end + int((candidate.pivot_time - candidate.start) / self._penalty)
        members = dict(zip(there, entries, strict=True))
        unsettled = frozenset(
            stream
            for stream in range(len(visible))
            if view.bound(stream, at) <= (enough if stream in members else last)
        )
        self._emit(candidate.end, members, unsettled, at, view, settled)

    def _emit(
        self,
        time: int,
        members: dict[int, Entry],
        unsettled: frozenset[int],
        at: Duration,
        view: View,
        settled: list[Settled],
    ) -> None:
        for stream, member in members.items():
            member.fate = Fate.MATCHED
            self._use(stream, member, at, view)
        parts = {stream: [member] for stream, member in members.items()}
        anchor = time
        if len(self._required) < len(self._pending):
            # Sets that lack streams may end at the same time, but not with the same event.
            newest = min(stream for stream, it in members.items() if it.event.time == time)
            anchor = time * len(self._pending) + newest
        settled.append(Settled(anchor, time, time, time, parts, unsettled))

    def _use(self, stream: int, last: Entry, at: Duration, view: View) -> None:
        """Let go of an entry and of all before it."""
        waiting = self._pending[stream]
        used = waiting.index(last) + 1
        for entry in waiting[:used]:
            if entry is not last:
                entry.mark(Fate.SUPERSEDED if entry.arrived <= at else Fate.LATE)
            view.release(entry)
        del waiting[:used]
        self._boundaries[stream] = last.event.time
