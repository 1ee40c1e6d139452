"""Session windows: events of one key that follow each other closely, over all streams."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence

from sensorium.align._waiting import NEVER
from sensorium.durations import INFINITY, Duration
from sensorium.events import Fate
from sensorium.plugin import Entry, Matcher, Settled, View

__all__ = ["SessionMatcher"]

_Member = tuple[int, Entry]


class _Session:
    """Events that follow each other at most `gap` after the latest end so far."""

    __slots__ = ("end", "members", "start")

    def __init__(self, start: int, end: int, members: list[_Member]) -> None:
        self.start = start
        self.end = end
        self.members = members

    def reaches(self, start: int, end: int, gap: int) -> bool:
        """Whether what covers ``[start, end)`` belongs to the session."""
        return start <= self.end + gap and end >= self.start - gap

    def take(self, other: _Session) -> None:
        """Become one with another session."""
        self.start = min(self.start, other.start)
        self.end = max(self.end, other.end)
        self.members = other.members + self.members


class _Cell:
    """One multiple of `max_length`: no session crosses it."""

    __slots__ = ("closed", "late", "members", "open", "stale")

    def __init__(self) -> None:
        #: What was accepted and is not in a closed session.
        self.members: list[_Member] = []
        #: The sessions of `members`, in the order of their starts, unless `stale`.
        self.open: list[_Session] = []
        self.stale = False
        #: Whether some of `members` missed the session that they are within reach of.
        self.late = False
        #: Closed sessions that something late is, or could still come, within reach of.
        self.closed: list[_Session] = []


class SessionMatcher(Matcher):
    """The sessions of one key.

    Without a deadline, sessions only grow and merge, in whatever order events come. With one,
    what an event may join depends on what had been logged before it, so sessions are formed in
    the order of log time; they are formed again when a stream is read behind another.
    """

    __slots__ = ("_cells", "_evicted", "_gap", "_length", "_required", "_streams", "_timed")

    def __init__(
        self,
        streams: int,
        required: frozenset[int],
        gap: int,
        max_length: Duration,
        timed: bool,
    ) -> None:
        self._streams = streams
        self._required = required
        self._gap = gap
        self._length = max_length
        #: Whether there is a deadline.
        self._timed = timed
        self._cells: dict[int, _Cell] = {}
        #: What is not later than this may belong to a session that was given up.
        self._evicted: Duration = -INFINITY

    @property
    def idle(self) -> bool:
        return not self._cells

    def add(self, stream: int, entry: Entry, view: View) -> None:
        number = self._number(entry)
        cell = self._cells.get(number)
        if cell is None:
            cell = self._cells[number] = _Cell()
        member = (stream, entry)
        event = entry.event
        if event.time <= self._evicted:
            entry.mark(Fate.EVICTED)
            view.release(entry)
            # The session that was given up goes on with it.
            self._give_up(number, event.time, event.end, view)
        elif any(closed.reaches(event.time, event.end, self._gap) for closed in cell.closed):
            entry.mark(Fate.LATE)
            view.release(entry)
        elif not self._timed:
            self._join(cell.open, member)
            cell.members.append(member)
        else:
            insort(cell.members, member, key=_log_order)
            cell.stale = True

    def settle(self, view: View) -> Iterable[Settled]:
        settled: list[Settled] = []
        for number in sorted(self._cells):
            cell = self._cells[number]
            if cell.stale:
                self._form(cell, number, view)
            self._close(cell, number, view, settled)
            if cell.late:
                self._release_late(cell, number, view)
            if cell.closed:
                last = self._end(number) - 1
                cell.closed = [
                    session
                    for session in cell.closed
                    if cell.late
                    or any(
                        view.open(stream, -INFINITY, min(session.end + self._gap, last))
                        for stream in range(self._streams)
                    )
                ]
            if not cell.members and not cell.closed:
                del self._cells[number]
        return settled

    def evict(self, entry: Entry, view: View) -> None:
        """Give up the entry's session and all before it: what comes later is kept from these by
        its time alone."""
        self._give_up(self._number(entry), entry.event.time, entry.event.end, view)

    def _give_up(self, number: int, start: int, end: int, view: View) -> None:
        """Give up all until the end of the session that ``[start, end)`` belongs to."""
        for session in self._cells[number].open:  # in the order of their starts
            if session.reaches(start, end, self._gap):
                end = max(end, session.end)
        last = min(end + self._gap, self._end(number) - 1)
        self._evicted = max(self._evicted, last)
        for one in [one for one in self._cells if one <= number]:
            cell = self._cells[one]
            gone = [member for member in cell.members if member[1].event.time <= last]
            cell.members = [member for member in cell.members if member[1].event.time > last]
            kept = [session for session in cell.open if session.start > last]
            view.give_up(len(cell.open) - len(kept))
            cell.open = kept
            for _, other in gone:
                other.mark(Fate.EVICTED)
                view.release(other)

    def held(self) -> Iterable[Entry]:
        for cell in self._cells.values():
            for _, entry in cell.members:
                yield entry

    def rest(self, view: View) -> bool:
        return self._evicted == -INFINITY

    def _number(self, entry: Entry) -> int:
        """The number of the entry's cell; without cuts all is one cell."""
        return 0 if self._length == INFINITY else int(entry.event.time // self._length)

    def _end(self, number: int) -> Duration:
        """The end of a cell."""
        return NEVER if self._length == INFINITY else (number + 1) * self._length

    def _due(self, session: _Session, number: int, view: View) -> Duration:
        """The session's deadline, in log time."""
        return view.due(min(session.end + self._gap, self._end(number)))

    def _join(self, sessions: list[_Session], member: _Member) -> None:
        """Put an event into the sessions within its reach, which become one."""
        event = member[1].event
        joined = _Session(event.time, event.end, [member])
        rest = []
        for session in sessions:
            if session.reaches(joined.start, joined.end, self._gap):
                joined.take(session)
            else:
                rest.append(session)
        insort(rest, joined, key=_start)
        sessions[:] = rest

    def _form(self, cell: _Cell, number: int, view: View) -> None:
        """Form the sessions anew, in the order of log time."""
        sessions: list[_Session] = []
        cell.late = False
        for member in cell.members:
            entry = member[1]
            event = entry.event
            within = [
                session for session in sessions if session.reaches(event.time, event.end, self._gap)
            ] or [_Session(event.time, event.end, [member])]
            if any(
                session.reaches(event.time, event.end, self._gap) for session in cell.closed
            ) or any(entry.arrived > self._due(session, number, view) for session in within):
                entry.fate = Fate.LATE
                cell.late = True
            else:
                entry.fate = Fate.UNMATCHED
                self._join(sessions, member)
        cell.open = sessions
        cell.stale = False

    def _close(self, cell: _Cell, number: int, view: View, settled: list[Settled]) -> None:
        """Close the sessions that have settled or whose deadline has passed."""
        left = []
        for session in cell.open:
            unsettled = self._unsettled(session, number, view)
            if unsettled is None:
                left.append(session)
            else:
                settled += self._emit(session, unsettled, view)
                self._drop(cell, session, unsettled)
        cell.open = left

    def _unsettled(self, session: _Session, number: int, view: View) -> frozenset[int] | None:
        deadline = self._due(session, number, view)
        last = min(session.end + self._gap, self._end(number) - 1)
        unsettled = []
        for stream in range(self._streams):
            if view.open(stream, -INFINITY, last, deadline):
                if not view.passed(stream, deadline):
                    return None
                unsettled.append(stream)
        return frozenset(unsettled)

    def _emit(self, session: _Session, unsettled: frozenset[int], view: View) -> Sequence[Settled]:
        members: dict[int, list[Entry]] = {}
        for stream, entry in sorted(session.members, key=_time_order):
            members.setdefault(stream, []).append(entry)
        wanted = members.keys() >= self._required
        for _, entry in session.members:
            if wanted:
                entry.mark(Fate.MATCHED)
            view.release(entry)
        if not wanted:
            return ()
        start = session.start
        return (Settled(start, start, start, session.end, members, unsettled),)

    @staticmethod
    def _drop(cell: _Cell, session: _Session, unsettled: frozenset[int]) -> None:
        """Forget a closed session's events."""
        members = set(map(id, session.members))
        cell.members = [member for member in cell.members if id(member) not in members]
        if unsettled or cell.late:
            cell.closed.append(session)

    def _release_late(self, cell: _Cell, number: int, view: View) -> None:
        """Let go of what missed its session, once nothing logged before it can be read any more:
        until then a session that is found to be longer may still take it."""
        end = self._end(number) - 1
        left = []
        for member in cell.members:
            entry = member[1]
            if entry.fate is Fate.LATE and not any(
                view.open(stream, -INFINITY, end, entry.arrived)
                and not view.passed(stream, entry.arrived)
                for stream in range(self._streams)
            ):
                view.release(entry)
            else:
                left.append(member)
        cell.members = left
        cell.late = any(member[1].fate is Fate.LATE for member in left)


def _log_order(member: _Member) -> tuple[int, int, int]:
    return (member[1].arrived, member[0], member[1].event.time)


def _time_order(member: _Member) -> tuple[int, int]:
    return (member[1].event.time, member[0])


def _start(session: _Session) -> int:
    return session.start
