"""The aligner: events in, aligned sets out, and every event's fate."""

from __future__ import annotations

import copy
import time as wall
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from heapq import heappop, heappush

from sensorium.align._horizon import horizon
from sensorium.align._identity import SetIdentity
from sensorium.align._memory import Memory, checked_limit, drop_void_places, memory_for
from sensorium.align._snapshot import Snapshot
from sensorium.align._state import KeyState, KeyStream, StreamState, forget_records
from sensorium.align._trace import Standing, Trace, TracedView
from sensorium.align._view import KeyView
from sensorium.durations import INFINITY, Duration
from sensorium.errors import AlignmentError
from sensorium.events import Absence, AlignedSet, Event, Fate
from sensorium.plugin import Entry, Policy, Settled, StreamSpec

__all__ = ["Aligner"]


class Aligner:
    """Brings together, per key, the events that belong together in event time.

    The sets depend on the events, their log times and the bounds, and not on the order in which
    different streams are read. There is one aligner per partition number. It is not thread-safe.

    Parameters
    ----------
    policy
        Which events belong together.
    streams
        Per stream, how its events come. Their order is that of the sets' members.
    clock
        Gives the log time, in ns since the epoch, of events that carry none.
    pipeline
        The pipeline's name; it goes into the ids of the sets.
    max_pending_events, max_pending_bytes
        How many events may wait for their sets, and how much memory they may hold, by an
        estimate. When it is more, the sets of the event that has been pending longest are given
        up, and so on.
    max_keys
        How many keys are remembered. When it is more, the one that was heard of longest ago is
        forgotten; what it still held is evicted.

    Raises
    ------
    AlignmentError
        If there is no stream, the policy's parameters do not fit the streams, or a limit is
        less than 1.
    """

    def __init__(
        self,
        policy: Policy,
        streams: Mapping[str, StreamSpec],
        clock: Callable[[], int] | None = None,
        pipeline: str = "",
        *,
        max_pending_events: int | None = None,
        max_pending_bytes: int | None = None,
        max_keys: int | None = None,
    ) -> None:
        if not streams:
            raise AlignmentError("an aligner needs at least one stream")
        names = list(streams)
        try:
            policy.check(names)
        except ValueError as error:
            raise AlignmentError(f"the policy {policy.name!r} does not fit: {error}") from None
        self._policy = policy
        self._names = names
        self._specs = list(streams.values())
        self._clock = clock or wall.time_ns
        self._identity = SetIdentity(pipeline)
        # What was true at a passed log time is asked for only where sets have deadlines.
        self._keep_history = policy.deadline != INFINITY
        self._streams = [
            StreamState(index, name, spec, keep_history=self._keep_history)
            for index, (name, spec) in enumerate(streams.items())
        ]
        self._index = {name: index for index, name in enumerate(names)}
        self._horizon = horizon(policy, self._specs)
        self._max_keys = checked_limit("max_keys", max_keys)
        self.evicts = True
        """Whether the limits hold; not while what a cut covers is read again."""
        #: In the order in which they were last heard of, where their number is limited.
        self._keys: dict[str, KeyState] = {} if max_keys is None else OrderedDict()
        #: Keys by the log time at which they may be forgotten, if not heard of since.
        self._forgetting: list[tuple[Duration, str]] = []
        #: The least log time over the streams.
        self._least: Duration = -INFINITY
        self._fates: Counter[Fate] = Counter()
        self._memory = memory_for(max_pending_events, max_pending_bytes)
        #: Late events that nobody has taken, where they are kept.
        self._late: list[Event] | None = [] if policy.on_late == "dead-letter" else None
        self._trace: Trace | None = None
        self._view = KeyView(
            self._streams,
            distinct=policy.distinct,
            fates=self._fates,
            memory=self._memory,
            late=self._late,
        )

    @property
    def fates(self) -> Counter[Fate]:
        """How many events had each fate so far; with ``pending`` they add up to all events."""
        # A copy first: a thread that shows them may ask while events are added.
        return Counter({fate: count for fate, count in self._fates.copy().items() if count})

    @property
    def keys(self) -> int:
        """How many keys are remembered."""
        return len(self._keys)

    def add(self, event: Event) -> list[AlignedSet]:
        """Take an event.

        Returns
        -------
        list of AlignedSet
            The sets that it settled, in order of (time, key).

        Raises
        ------
        AlignmentError
            If the event's stream is not one of the aligner's.
        """
        stream = self._stream(event.stream)
        arrived = event.arrived
        if arrived is None or stream.offset:
            arrived = self._clock() if arrived is None else arrived
            event = replace(event, time=event.time + stream.offset, id=event.id, arrived=arrived)
        moved = arrived > stream.log_time
        if moved:
            self._read_up_to(stream, arrived)
        key = self._key(event.key)
        if arrived > key.newest:
            key.newest = arrived
        settled: list[AlignedSet] = []
        fate = self._judge(stream, key, event, arrived)
        if fate is not None:
            self._fates[fate] += 1
            if fate is Fate.LATE and self._late is not None:
                self._late.append(event)
            if self._trace is not None:
                self._trace.refused(event, fate, self._standing(stream, key))
        else:
            if self._accept(stream, key, event):
                self._settle(key, settled)
        if moved:
            self._wake(stream, settled)
            self._forget()
        if self._memory is not None and self.evicts and self._memory.exceeded:
            self._evict(self._memory, settled)
        return _in_order(settled)

    def heartbeat(
        self, stream: str, time: int, arrived: int | None = None, key: str | None = None
    ) -> list[AlignedSet]:
        """Take a heartbeat event: no event older than `time` will count, for one key or all.

        It binds at most to its own log time + the stream's ``max_future``.
        """
        state = self._stream(stream)
        if arrived is None:
            arrived = self._clock()
        settled: list[AlignedSet] = []
        if arrived > state.log_time:
            self._read_up_to(state, arrived)
        self._promise(state, min(time + state.offset, arrived + state.max_future), key, settled)
        self._wake(state, settled)
        self._forget()
        return _in_order(settled)

    def advance(self, stream: str, time: Duration, key: str | None = None) -> list[AlignedSet]:
        """Promise that no event of the stream older than `time` will count, for one key or all.

        `time` is by the producer's clock, as event times are: the stream's offset is added.
        """
        state = self._stream(stream)
        settled: list[AlignedSet] = []
        self._promise(state, time + state.offset, key, settled)
        self._wake(state, settled)
        return _in_order(settled)

    def progress(self, stream: str, log_time: int) -> list[AlignedSet]:
        """Note that the stream has been read up to a log time."""
        state = self._stream(stream)
        settled: list[AlignedSet] = []
        if log_time > state.log_time:
            self._read_up_to(state, log_time)
            self._wake(state, settled)
            self._forget()
        return _in_order(settled)

    def close(self, stream: str | None = None) -> list[AlignedSet]:
        """Note that a stream, or every one, will have no more events."""
        settled: list[AlignedSet] = []
        states = self._streams if stream is None else [self._stream(stream)]
        for state in states:
            state.promise(INFINITY, self._least)
        for state in states:
            self._wake(state, settled)
        self._update_least()
        self._forget()
        return _in_order(settled)

    def take_late(self) -> list[Event]:
        """Take out the late events since the last time, if ``on_late`` is ``dead-letter``.

        They are in the order in which their fate was decided.
        """
        if not self._late:
            return []
        late = self._late[:]
        self._late.clear()
        return late

    def trace(self, trace: Trace) -> None:
        """Tell a trace the fate of every event, and of every set how far the streams were.

        To be called before the first event; such an aligner has no snapshots.
        """
        self._trace = trace
        # Another class, so that without a trace a release costs nothing more.
        self._view = TracedView(
            self._streams,
            distinct=self._policy.distinct,
            fates=self._fates,
            memory=self._memory,
            late=self._late,
            trace=trace,
        )

    def snapshot(self) -> Snapshot:
        """The state at this moment; what happens afterwards does not change it."""
        state = {name: value for name, value in vars(self).items() if name not in _SHARED}
        shared = {name: getattr(self, name) for name in _SHARED}
        return Snapshot({**shared, **copy.deepcopy(state, _keep_events(self))})

    @classmethod
    def restore(cls, snapshot: Snapshot) -> Aligner:
        """An aligner that goes on from a snapshot, with the same policy, streams and clock."""
        held = cls.__new__(cls)
        vars(held).update(snapshot.state)
        # Copied again, so that one snapshot can be restored more than once.
        restored = cls.__new__(cls)
        vars(restored).update(held.snapshot().state)
        return restored

    # What an event goes through.

    def _stream(self, name: str) -> StreamState:
        index = self._index.get(name)
        if index is None:
            raise AlignmentError(f"there is no stream {name!r}; there are {self._names}")
        return self._streams[index]

    def _key(self, name: str) -> KeyState:
        """A key that something is heard of."""
        key = self._keys.get(name)
        if key is None:
            return self._new_key(name)
        if isinstance(self._keys, OrderedDict):
            self._keys.move_to_end(name)
        return key

    def _new_key(self, name: str) -> KeyState:
        if self.evicts and len(self._keys) >= self._max_keys:
            self._evict_key(next(iter(self._keys)))
        streams = [KeyStream(keep_history=self._keep_history) for _ in self._streams]
        matcher = self._policy.matcher(self._names, self._specs)
        key = self._keys[name] = KeyState(name, streams, matcher)
        if self._horizon != INFINITY:
            self._forget_at(key, -INFINITY)
        return key

    def _judge(self, stream: StreamState, key: KeyState, event: Event, arrived: int) -> Fate | None:
        """The fate of an event that is not accepted; None for one that is."""
        own = key.streams[stream.index]
        time = event.time
        record = (time, event.id)
        slot: Hashable = time if self._policy.distinct else record
        seen = own.seen
        for memory in (seen, own.repeated):
            if memory:
                if memory[next(iter(memory))] < arrived - self._horizon:
                    forget_records(memory, arrived - self._horizon)
                if slot in memory or record in memory:
                    # Of an invalid record only the record itself is known, not its time.
                    own.repeat(slot if slot in memory else record, arrived)
                    return Fate.DUPLICATE
        if time > arrived + stream.max_future or event.duration > stream.max_duration:
            # Its time is not taken: it counts as seen with its id only.
            seen[record] = arrived
            return Fate.INVALID
        seen[slot] = arrived
        if time < own.bound or time < stream.shared_bound or arrived - time > stream.max_delay:
            return Fate.LATE
        return None

    def _accept(self, stream: StreamState, key: KeyState, event: Event) -> bool:
        """Hand an event to the matcher; gives whether that may settle anything."""
        own = key.streams[stream.index]
        bound = event.time - stream.lateness
        passed = bound > own.bound and own.raise_bound(bound, stream.log_time, self._least)
        self._fates[Fate.PENDING] += 1
        self._view.key = key
        assert isinstance(stream.log_time, int)
        entry = Entry(event, stream.log_time)
        if self._memory is not None:
            self._memory.take(entry, key)
        return key.matcher.add(stream.index, entry, self._view) is not False or passed

    # What moves, and what that settles.

    def _read_up_to(self, stream: StreamState, log_time: int) -> None:
        slowest = stream.log_time <= self._least
        stream.read_up_to(log_time)
        if slowest:
            self._update_least()

    def _update_least(self) -> None:
        least = INFINITY
        for stream in self._streams:
            if stream.log_time < least and stream.explicit != INFINITY:
                least = stream.log_time
        if least != INFINITY:
            self._least = least

    def _promise(
        self, stream: StreamState, bound: Duration, name: str | None, settled: list[AlignedSet]
    ) -> None:
        if name is None:
            stream.promise(bound, self._least)
            return
        key = self._key(name)
        key.newest = max(key.newest, stream.log_time)
        own = key.streams[stream.index]
        if bound > own.bound:
            own.raise_bound(bound, stream.log_time, self._least)
            self._settle(key, settled)

    def _wake(self, stream: StreamState, settled: list[AlignedSet]) -> None:
        """Look again at the keys that waited for what the stream has now reached."""
        heap = stream.wake_by_bound
        deadlines = stream.wake_by_log_time
        if not (heap and heap[0][0] <= stream.shared_bound) and not (
            deadlines and deadlines[0][0] <= stream.log_time
        ):
            return
        woken: dict[str, None] = {}
        while heap and heap[0][0] <= stream.shared_bound:
            need, name = heappop(heap)
            key = self._keys.get(name)
            if key is not None:
                own = key.streams[stream.index]
                # Another place in the heap is of an earlier call of `settle`, and void.
                if own.wake_bound == need:
                    own.wake_bound = INFINITY
                    woken[name] = None
        heap = deadlines
        while heap and heap[0][0] <= stream.log_time:
            need, name = heappop(heap)
            key = self._keys.get(name)
            if key is not None:
                own = key.streams[stream.index]
                if own.wake_log_time == need:
                    own.wake_log_time = INFINITY
                    woken[name] = None
        for name in woken:
            self._settle(self._keys[name], settled)

    def _settle(self, key: KeyState, settled: list[AlignedSet]) -> None:
        self._view.key = key
        settled += [self._build(key.key, one) for one in key.matcher.settle(self._view)]

    def _build(self, key: str, settled: Settled) -> AlignedSet:
        members = {}
        absent = {}
        for index, name in enumerate(self._names):
            entries = settled.members.get(index)
            if entries:
                members[name] = tuple([entry.event for entry in entries])
            elif index in settled.unsettled:
                absent[name] = Absence.TIMEOUT
            else:
                absent[name] = Absence.PROVEN
        aligned = AlignedSet(
            key,
            settled.time,
            members,
            absent,
            frozenset(self._names[index] for index in settled.unsettled),
            settled.revision,
            self._identity.of(key, settled.anchor, settled.revision),
            settled.start,
            settled.end,
        )
        if self._trace is not None:
            standing = {one.name: self._standing(one, self._view.key) for one in self._streams}
            self._trace.settled(aligned, standing)
        return aligned

    @staticmethod
    def _standing(stream: StreamState, key: KeyState) -> Standing:
        own = key.streams[stream.index].bound
        return Standing(own, stream.shared_bound, stream.log_time)

    def _forget(self) -> None:
        """Forget the keys that every stream has passed by more than the horizon."""
        heap = self._forgetting
        while heap and heap[0][0] < self._least:
            looked_at, name = heappop(heap)
            key = self._keys.get(name)
            if key is None or key.forget_at != looked_at:
                continue  # of a key of this name that was evicted
            when = key.newest + self._horizon
            if when >= self._least:
                self._forget_at(key, when)
            elif self._holds(key):
                # Not forgotten yet: ask again when the log has moved on by a horizon.
                self._forget_at(key, self._least + self._horizon)
            else:
                del self._keys[name]

    def _forget_at(self, key: KeyState, log_time: Duration) -> None:
        key.forget_at = log_time
        heappush(self._forgetting, (log_time, key.key))

    def _holds(self, key: KeyState) -> bool:
        """Whether the key knows more than what the streams say of any key."""
        return not key.matcher.idle or any(
            own.bound > stream.shared_bound
            for own, stream in zip(key.streams, self._streams, strict=True)
        )

    # What goes when there is too much of it.

    def _evict(self, memory: Memory, settled: list[AlignedSet]) -> None:
        """Give up the sets of what has been pending longest, until the limits hold."""
        while memory.exceeded:
            entry, key = memory.first()
            self._view.key = key
            key.matcher.evict(entry, self._view)
            if entry in memory:
                raise AlignmentError(f"the policy {self._policy.name!r} does not evict an entry")
            self._settle(key, settled)

    def _evict_key(self, name: str) -> None:
        key = self._view.key = self._keys.pop(name)
        for entry in list(key.matcher.held()):
            entry.mark(Fate.EVICTED)
            self._view.release(entry)
        drop_void_places(self._streams, self._forgetting, self._keys)


#: Attributes that never change and are shared by all copies.
_SHARED = ("_policy", "_names", "_specs", "_clock", "_identity", "_keep_history", "_index",
           "_horizon", "_max_keys")  # fmt: skip


def _keep_events(aligner: Aligner) -> dict[int, object]:
    """A memo for `copy.deepcopy` under which what is immutable is shared, not copied."""
    return {id(part): part for part in (*aligner._specs, aligner._policy, aligner._clock)}


def _in_order(settled: list[AlignedSet]) -> list[AlignedSet]:
    if len(settled) > 1:
        settled.sort(key=_order)
    return settled


def _order(one: AlignedSet) -> tuple[int, str, int]:
    return (one.time, one.key, one.revision)
