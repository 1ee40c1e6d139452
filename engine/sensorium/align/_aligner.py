"""The aligner: events in, aligned sets out, and every event's fate."""

from __future__ import annotations

import copy
import time as wall
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping

from sensorium.align._build import Builder, in_order
from sensorium.align._carry import Carry
from sensorium.align._horizon import horizon
from sensorium.align._identity import SetIdentity
from sensorium.align._keys import Keys
from sensorium.align._memory import checked_limit, memory_for
from sensorium.align._snapshot import Snapshot
from sensorium.align._state import KeyState, StreamState
from sensorium.align._trace import Standing, Trace, TracedView
from sensorium.align._view import KeyView
from sensorium.durations import INFINITY, Duration
from sensorium.errors import AlignmentError
from sensorium.events import AlignedSet, Event, Fate
from sensorium.plugin import Deadlines, Entry, Policy, StreamSpec

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
        estimate. When it is more, the sets of what has been pending longest are given up.
    max_keys
        How many keys are remembered. When it is more, the one that was heard of longest ago is
        forgotten; what it still held is evicted.
    carry
        Where it is noted what a restart needs besides the log; for policies that `carries`.
    deadlines
        The policy's, and earlier ones; for policies whose `deadline_may_change`.

    Raises
    ------
    AlignmentError
        If there is no stream, the policy does not fit the streams, or a limit is less than 1.
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
        carry: Carry | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        if not streams:
            raise AlignmentError("an aligner needs at least one stream")
        names = list(streams)
        try:
            policy.check(names)
        except ValueError as error:
            raise AlignmentError(f"the policy {policy.name!r} does not fit: {error}") from None
        self._policy = policy
        self._specs = list(streams.values())
        self._clock = clock or wall.time_ns
        self._builder = Builder(names, SetIdentity(pipeline))
        # What was true at a passed log time is asked for only where sets have deadlines.
        keep_history = policy.deadline != INFINITY
        self._streams = [
            StreamState(index, name, spec, keep_history=keep_history)
            for index, (name, spec) in enumerate(streams.items())
        ]
        self._by_name = {state.name: state for state in self._streams}
        self._distinct = policy.distinct
        self._horizon = horizon(policy, self._specs, deadlines)
        #: The least log time over the streams.
        self._least: Duration = -INFINITY
        #: How many events were taken, and of those that are not pending, how many had each fate.
        self._taken = 0
        self._fates: Counter[Fate] = Counter()
        self._memory = memory_for(max_pending_events, max_pending_bytes)
        #: Late events that nobody has taken, where they are kept.
        self._late: list[Event] | None = [] if policy.on_late == "dead-letter" else None
        self._trace: Trace | None = None
        self._view = KeyView(
            self._streams,
            deadlines or Deadlines(policy.deadline),
            distinct=policy.distinct,
            fates=self._fates,
            memory=self._memory,
            late=self._late,
        )
        self._carry = carry
        most = checked_limit("max_keys", max_keys)
        self._keys = Keys(
            policy, names, self._specs, self._streams, self._view, self._horizon, most, carry
        )

    @property
    def fates(self) -> Counter[Fate]:
        """How many events had each fate so far; with ``pending`` they add up to all events."""
        # A copy first: a thread that shows them may ask while events are added.
        fates = self._fates.copy()
        fates[Fate.PENDING] = self._taken - fates.total()
        return Counter({fate: count for fate, count in fates.items() if count})

    @property
    def given_up(self) -> int:
        """How many open sets were given up, since a limit was exceeded.

        Where sets overlap, their events may all have been members of others, and none `evicted`.
        """
        return self._view.given_up

    @property
    def replaying(self) -> bool:
        """Whether what a cut covers is read again: then the limits do not hold, and the sets that
        settle are not given, since they were before."""
        return not self._keys.evicts

    @replaying.setter
    def replaying(self, replaying: bool) -> None:
        self._keys.evicts = not replaying

    @property
    def log_times(self) -> dict[str, int]:
        """Per stream that has been read, the log time up to which it has, in ns."""
        return {it.name: it.log_time for it in self._streams if isinstance(it.log_time, int)}

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
        return self.add_all((event,))

    def add_all(self, events: Collection[Event]) -> list[AlignedSet]:  # noqa: C901
        """Take events in their order, as one call.

        It gives the sets that `add` gives for one event after the other, sooner: a key is settled
        once for all its events, where its policy allows that.

        Returns
        -------
        list of AlignedSet
            The sets that they settled, in order of (time, key).

        Raises
        ------
        AlignmentError
            If the stream of an event is not one of the aligner's; then none has been taken.
        """
        for name in {event.stream for event in events} - self._by_name.keys():
            self._stream(name)
        settled: list[AlignedSet] = []
        touched: dict[KeyState, None] = {}
        self._taken += len(events)
        # One loop, on local names: a call per event would be a large part of what it costs.
        by_name, live, view = self._by_name, self._keys.live, self._view
        distinct, horizon, memory = self._distinct, self._horizon, self._memory
        limited, batches = self._keys.limited, self._policy.batches
        for event in events:
            stream = by_name[event.stream]
            arrived = event.arrived
            if arrived is None or stream.offset:
                event, arrived = stream.corrected(event, self._clock)  # noqa: PLW2901
            if not batches or (limited and self._keys.full_for(event.key)):
                self._flush(touched, settled)
            if arrived > stream.log_time:
                # As `read_up_to`.
                stream.log_time = arrived
                bound = arrived - stream.max_delay
                if bound > stream.shared_bound:
                    stream.shared_bound = bound
            key = live.get(event.key)
            if key is None or limited:
                key = self._keys.heard(event.key)
            if arrived > key.newest:
                key.newest = arrived
            own = key.streams[stream.index]
            time = event.time
            slot: Hashable = time if distinct else (time, event.id)
            seen = own.seen
            if slot in seen or own.repeated is not None:
                if own.repeats(slot, (time, event.id), arrived, self._least, horizon):
                    self._refuse(event, Fate.DUPLICATE, stream, key)
                    continue
            elif not len(seen) & 15:
                own.forget(arrived, self._least, horizon)
            if time > arrived + stream.max_future or event.duration > stream.max_duration:
                # Its time is not taken: it counts as seen with its id only.
                own.note((time, event.id), arrived)
                self._refuse(event, Fate.INVALID, stream, key)
                continue
            seen[slot] = arrived
            # The shared bound is beyond what `max_delay` makes late by the event's own log time.
            if time < own.bound or time < stream.shared_bound:
                self._refuse(event, Fate.LATE, stream, key)
                continue
            bound = time - stream.lateness
            if bound > own.bound:
                # As `raise_bound`.
                own.bound = bound
                if own.history is not None:
                    own.history.note(stream.log_time, bound, self._least)
                if bound >= own.wake_bound:
                    own.wake_bound = INFINITY
                    touched[key] = None
            view.key = key
            entry = Entry(event, stream.log_time)  # type: ignore[arg-type]
            if memory is not None:
                memory.take(entry, key)
            if key.matcher.add(stream.index, entry, view) is not False:
                touched[key] = None
            if memory is not None and memory.exceeded and self._keys.evicts:
                self._flush(touched, settled)
                while memory.exceeded:
                    self._settle(view.give_up_first(memory), settled)
        self._flush(touched, settled)
        return in_order(settled)

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
            state.read_up_to(arrived)
            self._update_least()
        self._promise(state, min(time + state.offset, arrived + state.max_future), key, settled)
        self._flush({}, settled)
        return in_order(settled)

    def advance(self, stream: str, time: Duration, key: str | None = None) -> list[AlignedSet]:
        """Promise that no event of the stream older than `time` will count, for one key or all.

        `time` is by the producer's clock, as event times are: the stream's offset is added.
        """
        state = self._stream(stream)
        settled: list[AlignedSet] = []
        self._promise(state, time + state.offset, key, settled)
        self._flush({}, settled)
        return in_order(settled)

    def progress(self, stream: str, log_time: int) -> list[AlignedSet]:
        """Note that the stream has been read up to a log time."""
        state = self._stream(stream)
        settled: list[AlignedSet] = []
        if log_time > state.log_time:
            state.read_up_to(log_time)
            self._flush({}, settled)
        return in_order(settled)

    def close(self, stream: str | None = None) -> list[AlignedSet]:
        """Note that a stream, or every one, will have no more events."""
        settled: list[AlignedSet] = []
        states = self._streams if stream is None else [self._stream(stream)]
        for state in states:
            state.promise(INFINITY, self._least)
        self._flush({}, settled)
        return in_order(settled)

    def take_late(self) -> list[Event]:
        """Take out the late events since the last time, if ``on_late`` is ``dead-letter``.

        They are in the order in which their fate was decided.
        """
        if not self._late:
            return []
        late, self._late[:] = self._late[:], []
        return late

    def trace(self, trace: Trace) -> None:
        """Tell a trace the fate of every event, and of every set how far the streams were.

        Before the first event; such an aligner has no snapshots."""
        self._trace = trace
        # Another class, so that without a trace a release costs nothing more.
        self._view = self._keys.view = TracedView.of(self._view, trace)

    def snapshot(self) -> Snapshot:
        """The state at this moment; what happens afterwards does not change it."""
        state = {name: value for name, value in vars(self).items() if name not in _SHARED}
        shared = {name: getattr(self, name) for name in _SHARED}
        # Under this memo what is immutable is shared, not copied.
        kept = {id(part): part for part in (*self._specs, self._policy, self._clock)}
        return Snapshot({**shared, **copy.deepcopy(state, kept)})

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
        state = self._by_name.get(name)
        if state is None:
            raise AlignmentError(f"there is no stream {name!r}; there are {list(self._by_name)}")
        return state

    def _refuse(self, event: Event, fate: Fate, stream: StreamState, key: KeyState) -> None:
        """Note the fate of an event that is not accepted."""
        self._fates[fate] += 1
        if fate is Fate.LATE and self._late is not None:
            self._late.append(event)
        if self._trace is not None:
            self._trace.refused(event, fate, Standing.of(stream, key))

    # What moves, and what that settles.

    def _flush(self, touched: dict[KeyState, None], settled: list[AlignedSet]) -> None:
        """Settle what events and progress since the last time have settled."""
        for key in touched:
            self._settle(key, settled)
        touched.clear()
        self._update_least()
        for stream in self._streams:
            for key in stream.woken(self._keys.live):
                self._settle(key, settled)
        self._keys.forget(self._least)

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
        key = self._keys.heard(name)
        key.newest = max(key.newest, stream.log_time)
        own = key.streams[stream.index]
        if bound > own.bound:
            own.raise_bound(bound, stream.log_time, self._least)
            self._settle(key, settled)

    def _settle(self, key: KeyState, settled: list[AlignedSet]) -> None:
        self._view.key = key
        build, replaying = self._builder.build, self.replaying
        found = [build(key.key, one) for one in key.matcher.settle(self._view) if not replaying]
        settled += found
        if self._carry is not None:
            self._carry.note(key.key, key.matcher)
        if found and self._trace is not None:
            standing = {stream.name: Standing.of(stream, key) for stream in self._streams}
            for one in found:
                self._trace.settled(one, standing)


#: Attributes that never change and are shared by all copies.
_SHARED = ("_policy", "_clock", "_builder", "_distinct", "_horizon")
