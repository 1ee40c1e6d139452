"""One partition number: its aligner, how far it has been read, and its cuts."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sensorium.align import Aligner, Carry
from sensorium.durations import INFINITY, Duration
from sensorium.errors import RunError
from sensorium.events import AlignedSet, Fate
from sensorium.plugin import Cut, CutPosition, Deadlines, Record, TopicPartition
from sensorium.runtime._notes import Carried

__all__ = ["Lane", "Marked", "Marker"]

#: In how many steps a horizon is divided where it is remembered which record was logged when.
_STEPS: Final = 64


class Marked(NamedTuple):
    """One partition number at the moment of a cut.

    Parameters
    ----------
    cut
        What is to be committed.
    fates
        Those of its events by then.
    carried
        By key, what a restart needs besides the log, as far as it has changed since the cut before
        (`Carry.take`); None where a restart needs no such thing.
    """

    cut: Cut
    fates: Counter[Fate]
    carried: Mapping[str, Any] | None

    def after(self, earlier: Marked) -> Marked:
        """Both as one: this cut, with what has changed by either."""
        if self.carried is None or earlier.carried is None:
            return self
        return self._replace(carried={**earlier.carried, **self.carried})


@dataclass(frozen=True, slots=True)
class Marker:
    """Cuts on their way to be committed, behind all that they cover.

    Parameters
    ----------
    cuts
        Per lane, how it was.
    membership
        `Source.membership` when the cuts were made.
    """

    cuts: Mapping[Lane, Marked]
    membership: Any = None

    def after(self, earlier: Marker) -> Marker:
        """Both as one."""
        cuts = dict(earlier.cuts)
        for lane, marked in self.cuts.items():
            cuts[lane] = marked.after(cuts[lane]) if lane in cuts else marked
        return Marker(cuts, self.membership)


class _Place:
    """How far one topic-partition has been read."""

    __slots__ = ("index", "log_time", "newest", "next", "start", "until")

    def __init__(self) -> None:
        #: Offset of the next record; None until the first is known.
        self.next: int | None = None
        #: F: the log time up to which it has been read.
        self.log_time: int | None = None
        #: The greatest log time of a record; clock progress does not enter.
        self.newest: int | None = None
        #: The newest record known to be old enough that a restart may begin there.
        self.start: int | None = None
        #: Newer such records, (log time, offset): each was logged later than all before it.
        self.index: deque[tuple[int, int]] = deque()
        #: H of the stored cut, while a restart reads up to it.
        self.until: int | None = None

    def read(self, record: Record, offset: int, step: Duration) -> None:
        """Note a record."""
        self.next = offset + 1
        arrived = record.arrived
        assert arrived is not None
        if self.start is None:
            self.start = offset
        if self.newest is not None and arrived <= self.newest:
            return
        self.newest = arrived
        # Only a record that raises the log time: a restart that begins there finds the same ones.
        if not self.index or arrived > self.index[-1][0] + step:
            self.index.append((arrived, offset))
        if self.log_time is None or arrived > self.log_time:
            self.log_time = arrived

    def begin(self, threshold: Duration) -> int | None:
        """The offset to commit: no record before it was logged at or after the threshold."""
        index = self.index
        while index and index[0][0] < threshold:
            self.start = index.popleft()[1]
        return self.start


class Lane:
    """What is kept of one partition number.

    Parameters
    ----------
    number
        The partition number.
    aligner
        Its aligner, new.
    horizon
        How far back in log time a restart has to read.
    fingerprint
        Of the alignment configuration.
    topics
        Of all streams: a cut names a position in each.
    carry
        That of the aligner, if it has one.
    deadlines
        Those of the aligner, where cuts say them.
    """

    def __init__(
        self,
        number: int,
        aligner: Aligner,
        horizon: Duration,
        fingerprint: str,
        topics: Collection[str],
        carry: Carry | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        self.number = number
        self.aligner = aligner
        self.stored: Cut | None = None
        """The newest cut that is known to be committed."""
        self.replaying = False
        """Whether a restart still reads what its stored cut covers."""
        self.held: list[Record] = []
        """Records beyond the cut that came while it was still being read."""
        self.floor: int | None = None
        """The event time at and before which sets belong to an earlier configuration."""
        self.changed = True
        """Whether there is something that no cut covers yet."""
        self.adopted = 0
        """Events that were pending at the cut that the lane went on from."""
        self.torn: str | None = None
        """Why its carry and its cut are not of the same moment; None where they are."""
        self._carry = carry
        self._deadlines = deadlines
        self._horizon = horizon
        self._step = horizon / _STEPS
        self._fingerprint = fingerprint
        self._by_topic = {topic: _Place() for topic in topics}
        self._places = {TopicPartition(it, number): one for it, one in self._by_topic.items()}
        self._serial = 0
        self._before: Counter[Fate] = Counter()
        self._committed: Counter[Fate] = Counter()

    @property
    def places(self) -> Iterable[TopicPartition]:
        """Its topic-partitions."""
        return self._places.keys()

    @property
    def log_times(self) -> Mapping[TopicPartition, int]:
        """F per topic-partition that has one."""
        return {
            place: state.log_time
            for place, state in self._places.items()
            if state.log_time is not None
        }

    @property
    def offsets(self) -> Mapping[TopicPartition, int]:
        """The offset of the next record that it takes, per topic-partition that has one."""
        return {place: it.next for place, it in self._places.items() if it.next is not None}

    @property
    def finished(self) -> Collection[TopicPartition]:
        """While replaying: the topic-partitions that have been read up to the cut."""
        if not self.replaying:
            return ()
        return [place for place, state in self._places.items() if _reached(state)]

    # How it goes on from a cut.

    def go_on_from(self, cut: Cut) -> None:
        """Prepare to read again what a stored cut covers.

        Raises
        ------
        RunError
            If the cut lacks a topic.
        """
        if cut.positions.keys() != self._places.keys():
            lacking = ", ".join(
                f"{place.topic}[{place.partition}]"
                for place in self._places.keys() - cut.positions.keys()
            )
            raise RunError(
                f"the group has committed no offset for {lacking}, but for the other topics of "
                f"partition number {self.number}, so nothing consistent can be restored: set all "
                "of them back, or choose another `group`"
            )
        self._read_again(cut)

    def begin_anew(self, cut: Cut) -> int | None:
        """Prepare to read again what was read with another alignment configuration.

        Its records are counted and buried already; sets begin beyond it. It may lack topics: what
        is read of these is new.

        Returns
        -------
        int or None
            The log time to read from; None where the stored offsets will do.
        """
        self._read_again(cut)
        times = [position.log_time for position in cut.positions.values()]
        least = min((time for time in times if time is not None), default=None)
        if least is None or None in times:
            return None
        self.floor = least if cut.floor is None else max(least, cut.floor)
        for state in self._places.values():
            state.next = state.start = None
        return int(least - self._horizon)

    def _read_again(self, cut: Cut) -> None:
        self.stored = cut
        self.floor = cut.floor
        self.replaying = True
        self.aligner.replaying = True
        self.changed = False
        self._serial = cut.serial
        for place, position in cut.positions.items():
            if (state := self._places.get(place)) is not None:
                state.next = state.start = position.offset
                state.until = position.next

    def carry_on(self, carried: Carried) -> None:
        """Have keys go on from what was carried over."""
        if self._carry is not None:
            self._carry.load(carried.known, carried.void)
            self.torn = carried.torn

    @property
    def carried_keys(self) -> int:
        """How many keys are carried."""
        return 0 if self._carry is None else self._carry.keys

    @property
    def caught_up(self) -> bool:
        """Whether all that the stored cut covers has been read again."""
        return self.replaying and all(_reached(state) for state in self._places.values())

    def restore(self) -> Mapping[TopicPartition, int]:
        """Stand where the cut was made, once caught up.

        Returns
        -------
        Mapping
            F per topic-partition: the aligner has to be told; `adopt` follows.
        """
        assert self.stored is not None
        found = {}
        for place, state in self._places.items():
            state.until = None
            position = self.stored.positions.get(place)
            if position is None:
                continue
            state.next = position.next
            if position.log_time is not None:
                state.log_time = position.log_time
                found[place] = position.log_time
        return found

    def adopt(self) -> None:
        """Count from now on: what was settled before was counted when its cut was committed."""
        self.replaying = False
        self.aligner.replaying = False
        self._before = self.aligner.fates
        self.adopted = self._before.pop(Fate.PENDING, 0)
        self._committed = Counter({Fate.PENDING: self.adopted}) if self.adopted else Counter()

    # How far it has been read.

    def read(self, record: Record) -> bool:
        """Note a record; gives whether it is to be taken now, and holds it if not."""
        state = self._by_topic[record.topic]
        offset = record.offset
        if self.replaying:
            if state.until is None:
                state.until = offset  # a topic that the cut lacks: all of it lies beyond
            if offset >= state.until:
                self.held.append(record)
                state.next = state.until
                return False
        if state.next is not None and offset < state.next:
            return False
        state.read(record, offset, self._step)
        self.changed = self.changed or not self.replaying
        return True

    def stands_at(self, place: TopicPartition, offset: int) -> None:
        """Note that a topic-partition has been read up to an offset."""
        state = self._places[place]
        if self.replaying:
            if state.until is None:
                state.until = offset
            offset = min(offset, state.until)  # what lies beyond is held
        if state.next is None or offset > state.next:
            state.next = offset
        if state.start is None:
            state.start = offset

    def progress(self, place: TopicPartition, log_time: int) -> bool:
        """Note how far a topic-partition has been read in log time; gives whether that is news."""
        state = self._places[place]
        if self.replaying or (state.log_time is not None and log_time <= state.log_time):
            return False
        state.log_time = log_time
        return True

    def wanted(self, sets: list[AlignedSet]) -> list[AlignedSet]:
        """Those of the aligner's sets that are to be given."""
        if not sets:
            return sets
        self.changed = True
        floor = self.floor
        return sets if floor is None else [one for one in sets if one.time > floor]

    # Its cuts.

    @property
    def ready(self) -> bool:
        """Whether every topic-partition has a position, so that there can be a cut."""
        return all(it.next is not None for it in self._places.values())

    def mark(self) -> Marked:
        """How it is at this moment; it has to be ready."""
        carried = None
        if self._carry is not None:
            read = self.log_times
            times = [read.get(place, -INFINITY) for place in self._places]
            carried = self._carry.take(min(times), max(times))
        return Marked(self.cut(), self.fates(), carried)

    def cut(self) -> Cut:
        """A cut of this moment; the lane has to be ready."""
        times = [state.log_time for state in self._places.values()]
        least = min((time for time in times if time is not None), default=None)
        threshold: Duration = -(2**63) if least is None or None in times else least - self._horizon
        positions = {}
        for place, state in self._places.items():
            offset = state.begin(threshold)
            assert offset is not None
            assert state.next is not None
            positions[place] = CutPosition(offset, state.next, state.log_time)
        if self.floor is not None and threshold > self.floor:
            self.floor = None
        if self._deadlines is not None:
            self._deadlines = self._deadlines.after(threshold)
        self._serial += 1
        self.changed = False
        return Cut(self._serial, positions, self._fingerprint, self.floor, self._deadlines)

    def committed(self, cut: Cut, fates: Counter[Fate]) -> None:
        """Note that a cut, with the fates of that moment, is safe."""
        self.stored = cut
        self._committed = fates

    def fates(self) -> Counter[Fate]:
        """How many events have had each fate since the lane went on from a cut."""
        return self.aligner.fates - self._before

    @property
    def counted(self) -> Counter[Fate]:
        """The fates of the newest committed cut."""
        return self._committed


def _reached(state: _Place) -> bool:
    return state.until is None or (state.next is not None and state.next >= state.until)
