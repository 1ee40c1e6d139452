"""The policy `window`: all events in a tumbling, hopping or session window."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import ClassVar, Final

from pydantic import Field, model_validator

from sensorium.align._require import required_streams
from sensorium.align._session import SessionMatcher
from sensorium.durations import INFINITY, Duration, DurationField
from sensorium.events import Event, Fate
from sensorium.plugin import Entry, Matcher, Policy, Settled, StreamSpec, View

__all__ = ["Window", "event_time"]


_NONE: Final[frozenset[int]] = frozenset()


class Window(Policy):
    """A set is all events in one window of event time.

    Parameters
    ----------
    size
        How long a tumbling or hopping window is; windows are ``[start, start + size)``.
    hop
        How far the starts lie apart; the default is `size` (tumbling).
    offset
        Windows start at ``offset + k * hop``.
    gap
        Of session windows, instead of `size`: a session goes on while the next event's time is at
        most `gap` after the latest end so far.
    max_length
        Sessions are always cut at epoch multiples of this; with ``"inf"`` never, but then no
        key is ever forgotten.
    """

    name: ClassVar[str] = "window"
    distinct: ClassVar[bool] = False
    revises: ClassVar[bool] = True
    deadline_may_change: ClassVar[bool] = True

    size: DurationField | None = Field(default=None, gt=0, lt=INFINITY)
    hop: DurationField | None = Field(default=None, gt=0, lt=INFINITY)
    offset: DurationField = Field(default=0, lt=INFINITY)
    gap: DurationField | None = Field(default=None, ge=0, lt=INFINITY)
    max_length: DurationField | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_kind(self) -> Window:
        session = self.gap is not None or self.max_length is not None
        if session and (self.size is not None or self.hop is not None or self.offset):
            raise ValueError("a window has size, hop and offset, or gap and max_length, not both")
        if not session and self.size is None:
            raise ValueError("a window needs size, or gap and max_length (a session)")
        if session and (self.gap is None or self.max_length is None):
            raise ValueError("a session needs both gap and max_length")
        if session and self.on_late == "revise":
            # An event may join two sessions that were emitted: no one set would revise them.
            raise ValueError("sessions are not revised: on_late is drop or dead-letter for them")
        return self

    @property
    def batches(self) -> bool:
        # Whether an event is late for a session is told by which sessions had closed before it.
        return self.size is not None or self.deadline == INFINITY

    def extent(self, max_duration: Duration) -> Duration:
        if self.size is None:
            assert self.max_length is not None
            return self.max_length
        return self.size + max_duration

    def matcher(self, streams: Sequence[str], specs: Sequence[StreamSpec]) -> Matcher:
        required = required_streams(self, streams)
        if self.size is None:
            assert self.gap is not None
            assert self.max_length is not None
            return SessionMatcher(
                len(streams), required, int(self.gap), self.max_length, self.deadline != INFINITY
            )
        size = int(self.size)
        hop = size if self.hop is None else int(self.hop)
        return _WindowMatcher(
            len(streams),
            required,
            size,
            hop,
            int(self.offset),
            self.deadline != INFINITY,
            self.revisions_end,
        )


def event_time(entry: Entry) -> int:
    """What entries are ordered by."""
    return entry.event.time


class _WindowMatcher(Matcher):
    __slots__ = (
        "_emitted", "_evicted", "_hop", "_offset", "_required", "_revise_within", "_revising",
        "_size", "_starts", "_streams", "_timed", "_windows",
    )  # fmt: skip

    def __init__(
        self,
        streams: int,
        required: frozenset[int],
        size: int,
        hop: int,
        offset: int,
        timed: bool,
        revise_within: Duration | None,
    ) -> None:
        self._streams = streams
        self._required = required
        self._size = size
        self._hop = hop
        self._offset = offset
        #: Whether there is a deadline.
        self._timed = timed
        self._revise_within = revise_within
        #: Per start of a window that is not done with, its entries by stream.
        self._windows: dict[int, dict[int, list[Entry]]] = {}
        #: The starts of those that wait for their set, in order.
        self._starts: list[int] = []
        #: The starts of those that wait for a revision, in order, and how many members each has.
        self._revising: list[int] = []
        self._emitted: dict[int, int] = {}
        #: The latest window that was given up: none before it begins anew.
        self._evicted: Duration = -INFINITY

    @property
    def idle(self) -> bool:
        return not self._windows

    def add(self, stream: int, entry: Entry, view: View) -> bool:
        windows, starts, hop = self._windows, self._starts, self._hop
        event = entry.event
        time = event.time
        # As `_starts_over`, without a call and a range for every event.
        first = time - self._offset
        start = ((first - self._size) // hop + 1) * hop + self._offset
        end = time + (event.duration or 1)
        # Windows that start before are closed to it.
        last_open = view.overdue(entry.arrived - (self._revise_within or 0)) - self._size
        soonest = starts[0] if starts else None
        pending = 0
        while start < end:
            window = windows.get(start)
            if start < last_open:
                entry.mark(Fate.LATE)
            elif window is not None:
                entries = window.get(stream)
                if entries is None:
                    window[stream] = [entry]
                elif entries[-1].event.time > time:
                    insort(entries, entry, key=event_time)
                else:
                    entries.append(entry)
                pending += 1
            elif start <= self._evicted:
                entry.mark(Fate.EVICTED)
            else:
                windows[start] = {stream: [entry]}
                insort(starts, start)
                pending += 1
            start += hop
        entry.pending = pending
        if not pending:
            view.release(entry)
            return False
        # Only the first window is waited for.
        return starts[0] != soonest if starts else False

    def _starts_over(self, event: Event) -> range:
        """Starts of the windows that the event overlaps."""
        offset, hop = self._offset, self._hop
        first = event.time - offset
        last = first + event.duration - 1 if event.duration else first
        start = ((first - self._size) // hop + 1) * hop
        return range(offset + start, offset + last + 1, hop)

    def settle(self, view: View) -> Iterable[Settled]:
        settled: list[Settled] = []
        # Up to there every window has settled, whatever its deadline would have been.
        settled_until: Duration = -INFINITY
        if self._starts and not self._timed:
            settled_until = min([view.bound(stream) for stream in range(self._streams)])
        # Windows close in the order of their ends: what keeps one open keeps all later ones.
        while self._starts:
            start = self._starts[0]
            if start + self._size <= settled_until:
                unsettled: frozenset[int] | None = _NONE
            else:
                end = start + self._size
                unsettled = self._unsettled(end, view.due(end), view)
            if unsettled is None:
                break
            del self._starts[0]
            if unsettled and self._revise_within is not None:
                settled += self._close_for_now(start, unsettled, view)
            else:
                settled += self._close(start, unsettled, view)
        while self._revising:
            start = self._revising[0]
            end = start + self._size
            unsettled = self._unsettled(end, view.due(end) + (self._revise_within or 0), view)
            if unsettled is None:
                break
            del self._revising[0]
            settled += self._revise(start, unsettled, view)
        return settled

    def _close(self, start: int, unsettled: frozenset[int], view: View) -> Sequence[Settled]:
        window = self._windows[start]
        wanted = window.keys() >= self._required
        self._drop(start, view, Fate.MATCHED if wanted else Fate.UNMATCHED)
        if not wanted:
            return ()
        return (Settled(start, start, start, start + self._size, window, unsettled),)

    def _drop(self, start: int, view: View, fate: Fate = Fate.UNMATCHED) -> None:
        """Be done with a window; its entries have at least this fate."""
        matched, done = fate is Fate.MATCHED, []
        for entries in self._windows.pop(start).values():
            for entry in entries:
                if matched:
                    entry.fate = fate
                else:
                    entry.mark(fate)
                entry.pending = pending = entry.pending - 1
                if not pending:
                    done.append(entry)
        view.release_all(done)

    def _close_for_now(
        self, start: int, unsettled: frozenset[int], view: View
    ) -> Sequence[Settled]:
        """Close at the deadline a window that may be revised: it goes on taking events."""
        deadline = view.due(start + self._size)
        window = self._windows[start]
        members: dict[int, list[Entry]] = {}
        late: list[Entry] = []
        for stream, entries in window.items():
            for entry in entries:
                if entry.arrived <= deadline:
                    members.setdefault(stream, []).append(entry)
                else:
                    late.append(entry)
        if not members or not members.keys() >= self._required:
            for entry in late:
                entry.mark(Fate.LATE)
            self._drop(start, view)  # what is not emitted is not revised
            return ()
        for entries in members.values():
            for entry in entries:
                entry.fate = Fate.MATCHED
        self._revising.append(start)
        self._emitted[start] = sum(map(len, members.values()))
        return (Settled(start, start, start, start + self._size, members, unsettled),)

    def _revise(self, start: int, unsettled: frozenset[int], view: View) -> Sequence[Settled]:
        changed = self._emitted.pop(start) < sum(map(len, self._windows[start].values()))
        revised = self._close(start, unsettled, view)
        return [replace(one, revision=1) for one in revised if changed]

    def evict(self, entry: Entry, view: View) -> None:
        for start in self._starts_over(entry.event):
            if start in self._windows:
                waiting = self._starts if self._emitted.pop(start, None) is None else self._revising
                del waiting[bisect_left(waiting, start)]
                self._evicted = max(self._evicted, start)
                self._drop(start, view, Fate.EVICTED)
                view.give_up()

    def held(self) -> Iterable[Entry]:
        seen = set()
        for window in self._windows.values():
            for entries in window.values():
                for entry in entries:
                    if entry not in seen:
                        seen.add(entry)
                        yield entry

    def rest(self, view: View) -> bool:
        return self._evicted == -INFINITY

    def _unsettled(self, end: int, deadline: Duration, view: View) -> frozenset[int] | None:
        """Streams that the deadline overtook; None while one may still add to the window."""
        unsettled = []
        for stream in range(self._streams):
            if view.open(stream, -INFINITY, end - 1, deadline):
                if not view.passed(stream, deadline):
                    return None
                unsettled.append(stream)
        return frozenset(unsettled) if unsettled else _NONE
