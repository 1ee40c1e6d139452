"""The policy `exact`: events of equal time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from sensorium.align._require import required_streams
from sensorium.align._waiting import Waiting
from sensorium.durations import INFINITY, Duration
from sensorium.events import Fate
from sensorium.plugin import Entry, Matcher, Policy, Settled, StreamSpec, View

__all__ = ["Exact"]


class Exact(Policy):
    """A set is the events of equal time, at most one a stream."""

    name: ClassVar[str] = "exact"
    revises: ClassVar[bool] = True
    deadline_may_change: ClassVar[bool] = True

    @property
    def batches(self) -> bool:
        return True

    def extent(self, max_duration: Duration) -> Duration:
        return 0

    def matcher(self, streams: Sequence[str], specs: Sequence[StreamSpec]) -> Matcher:
        required = required_streams(self, streams)
        return _ExactMatcher(len(streams), required, self.revisions_end)


class _Group:
    """The events of one time."""

    __slots__ = ("blocker", "deadline", "emitted", "entries")

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        #: Of the member that was logged first; it can only fall as older log times are read.
        self.deadline: Duration = INFINITY
        #: The streams of its set, once that is emitted; from then on it may be revised.
        self.emitted: frozenset[int] | None = None
        #: The stream that was found open last; what others add settles nothing.
        self.blocker = -1


class _ExactMatcher(Matcher):
    __slots__ = (
        "_evicted", "_fresh", "_groups", "_required", "_revise_within", "_timed_out", "_waiting",
    )  # fmt: skip

    def __init__(
        self, streams: int, required: frozenset[int], revise_within: Duration | None
    ) -> None:
        self._required = required
        self._revise_within = revise_within
        self._groups: dict[int, _Group] = {}
        self._waiting = [Waiting() for _ in range(streams)]
        #: Times to look at in the next call of `settle`.
        self._fresh: list[int] = []
        #: Per time whose set the deadline closed, the streams that had not settled.
        self._timed_out: dict[int, frozenset[int]] = {}
        #: The newest time that was given up: no set begins anew at it or before.
        self._evicted: Duration = -INFINITY

    @property
    def idle(self) -> bool:
        return not self._groups

    def add(self, stream: int, entry: Entry, view: View) -> bool:
        time = entry.event.time
        if stream in self._timed_out.get(time, ()):
            entry.mark(Fate.LATE)
            view.release(entry)
            return False
        group = self._groups.get(time)
        if group is None:
            if time <= self._evicted:
                entry.mark(Fate.EVICTED)
                view.release(entry)
                return False
            group = self._groups[time] = _Group()
        group.entries[stream] = entry
        deadline = view.due(entry.arrived)
        earlier = deadline < group.deadline and group.emitted is None
        if earlier:
            group.deadline = deadline
        if group.blocker not in (-1, stream) and not earlier:
            return False
        self._fresh.append(time)
        return True

    def settle(self, view: View) -> Iterable[Settled]:
        times, self._fresh = self._fresh, []
        for stream, waiting in enumerate(self._waiting):
            times += waiting.due(stream, self._groups, view)
        settled: list[Settled] = []
        for time in dict.fromkeys(times):
            if time in self._groups:
                one = self._try(time, view)
                if one is not None:
                    settled.append(one)
                    if time in self._groups and (revised := self._try(time, view)):
                        settled.append(revised)
        if self._timed_out:
            self._forget(view)
        return settled

    def evict(self, entry: Entry, view: View) -> None:
        time = entry.event.time
        self._evicted = max(self._evicted, time)
        view.give_up()
        for one in self._groups.pop(time).entries.values():
            one.mark(Fate.EVICTED)
            view.release(one)

    def held(self) -> Iterable[Entry]:
        for group in self._groups.values():
            yield from group.entries.values()

    def rest(self, view: View) -> bool:
        self._forget(view)
        return not self._timed_out and self._evicted == -INFINITY

    def _try(self, time: int, view: View) -> Settled | None:
        """Close the group if every stream is settled or has passed the deadline."""
        group = self._groups[time]
        deadline = group.deadline
        members: dict[int, list[Entry]] = {}
        unsettled = []
        for stream in range(len(self._waiting)):
            entry = group.entries.get(stream)
            if entry is not None and entry.arrived <= deadline:
                members[stream] = [entry]
            elif view.open(stream, time, time, deadline):
                if not view.passed(stream, deadline):
                    group.blocker = stream
                    self._waiting[stream].push(time, time, deadline)
                    return None
                unsettled.append(stream)
        wanted = members.keys() >= self._required and members.keys() != group.emitted
        if wanted and unsettled and group.emitted is None and self._revise_within is not None:
            self._expect_more(group, members, self._revise_within)
            return Settled(time, time, time, time, members, frozenset(unsettled))
        del self._groups[time]
        if unsettled:
            self._timed_out[time] = frozenset(unsettled)
        for stream, entry in group.entries.items():
            if stream not in members:
                entry.mark(Fate.LATE)
            elif wanted:
                entry.mark(Fate.MATCHED)
            view.release(entry)
        if not wanted:
            return None
        revision = 0 if group.emitted is None else 1
        return Settled(time, time, time, time, members, frozenset(unsettled), revision)

    @staticmethod
    def _expect_more(
        group: _Group, members: Mapping[int, Sequence[Entry]], within: Duration
    ) -> None:
        """Keep the group of a set that is emitted, for a revision."""
        for entries in members.values():
            entries[0].mark(Fate.MATCHED)
        group.emitted = frozenset(members)
        group.deadline += within
        group.blocker = -1

    def _forget(self, view: View) -> None:
        """Drop the notes on closed times at which nothing can come any more."""
        done = [
            time
            for time, streams in self._timed_out.items()
            if not any(view.open(stream, time, time) for stream in streams)
        ]
        for time in done:
            del self._timed_out[time]
