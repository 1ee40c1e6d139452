"""The policy `approximate`: the sets of least spread, with no stream as the primary one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sensorium.align._approximate_search import Candidate, Queue, candidate_is_best
from sensorium.align._approximate_timed import TimedMatcher
from sensorium.align._require import required_streams
from sensorium.align._waiting import NEVER
from sensorium.durations import INFINITY, Duration, DurationField
from sensorium.events import Fate
from sensorium.plugin import Entry, Matcher, Policy, Settled, StreamSpec, View

__all__ = ["Approximate"]


class ApproximateStream(BaseModel):
    """What is known of one stream."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_period: DurationField = Field(default=0, ge=0, lt=INFINITY)


class Approximate(Policy):
    """A set is one event of every stream, as near to each other as they can be had.

    The algorithm is ApproximateTime of ROS message_filters
    (http://wiki.ros.org/message_filters/ApproximateTime). No event is in two sets, sets do not
    cross, and a set comes out once no event still possible could make a better one. Without a
    deadline every set is whole, and a stream that falls silent holds up its key until its bound
    moves on, or until queues overflow. With one, which counts from the event that was logged first
    of those pending, the best set of what had been logged by then comes out; with ``require`` less
    than all, it may lack streams.

    Parameters
    ----------
    max_interval
        How far apart the oldest and the newest event of a set may lie.
    age_penalty
        How much better, as a share of its spread, a later set has to be to be preferred.
    queue_size
        How many events of a stream are held per key. One too many pushes out the oldest, whose
        fate is ``evicted``; which sets are found then depends on the order of arrival.
    streams
        Per stream, its `min_period`: events lie at least so far apart. Where this is known, sets
        come out earlier; where it is wrong, they may be others.
    """

    name: ClassVar[str] = "approximate"
    carries: ClassVar[bool] = True
    deadline_may_change: ClassVar[bool] = True

    max_interval: DurationField = Field(default=INFINITY, ge=0)
    age_penalty: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    queue_size: int = Field(default=100, ge=1)
    streams: Mapping[str, ApproximateStream] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole_sets(self) -> Approximate:
        if self.require != "all" and self.deadline == INFINITY:
            raise ValueError(
                "approximate makes whole sets only, but at a deadline: set deadline, or leave out "
                "require"
            )
        return self

    def extent(self, max_duration: Duration) -> Duration:
        # A set is compared with others that share one event with it, so what is pending, and what
        # could change it, lies within two intervals.
        extent = 2 * self.max_interval
        if self.require != "all":
            extent += -(-self.deadline // 2)  # a lone event waits for its deadline; twice a half
        return extent

    def check(self, streams: Sequence[str]) -> None:
        super().check(streams)
        for name in self.streams:
            if name not in streams:
                raise ValueError(f"streams names the stream {name!r}; there are {streams}")

    def matcher(self, streams: Sequence[str], specs: Sequence[StreamSpec]) -> Matcher:
        known = [self.streams.get(name, ApproximateStream()) for name in streams]
        periods = [int(one.min_period) for one in known]
        if self.deadline == INFINITY:
            return _ApproximateMatcher(self, periods)
        return TimedMatcher(
            required_streams(self, streams),
            periods,
            self.max_interval,
            1 + self.age_penalty,
            self.queue_size,
        )


class _ApproximateMatcher(Matcher):
    """Events wait until nothing older can come; from then on they arrive in the order of time,
    as the algorithm wants them, whatever the order of the log."""

    __slots__ = (
        "_boundaries",
        "_candidate",
        "_penalty",
        "_pivot",
        "_policy",
        "_queues",
        "_unready",
    )

    def __init__(self, policy: Approximate, min_periods: Sequence[int]) -> None:
        self._policy = policy
        self._penalty = 1 + policy.age_penalty
        self._queues = [Queue(period) for period in min_periods]
        self._unready: list[list[Entry]] = [[] for _ in min_periods]
        self._candidate: Candidate | None = None
        #: Per stream the time of the last event that was used or given up.
        self._boundaries: list[Duration] = [-INFINITY] * len(min_periods)
        #: That of the candidate that was being compared when a restart's cut was made.
        self._pivot: tuple[int, int] | None = None

    @property
    def idle(self) -> bool:
        return not any(self._unready) and all(queue.empty for queue in self._queues)

    def add(self, stream: int, entry: Entry, view: View) -> bool:
        if entry.event.time <= self._boundaries[stream]:
            # After a restart only: what is used was taken when nothing older could come.
            view.release(entry)
            return False
        waiting = self._unready[stream]
        at = len(waiting)
        while at and waiting[at - 1].event.time > entry.event.time:
            at -= 1
        waiting.insert(at, entry)
        return True

    def settle(self, view: View) -> Iterable[Settled]:
        settled: list[Settled] = []
        self._advance(view, settled)  # where something was evicted
        # What bounds prove is asked last: they are already beyond events that are taken here.
        for _, stream, entry in sorted(self._ready(view)):
            self._take(stream, entry, view, settled)
        while self._prove(view, settled):
            self._advance(view, settled)
        return settled

    def _ready(self, view: View) -> Iterable[tuple[int, int, Entry]]:
        """Take out what nothing older can precede, with its time and stream."""
        for stream, waiting in enumerate(self._unready):
            done = 0
            for entry in waiting:
                time = entry.event.time
                if view.open(stream, -INFINITY, time - 1):
                    break
                done += 1
                yield time, stream, entry
            del waiting[:done]

    def _take(self, stream: int, entry: Entry, view: View, settled: list[Settled]) -> None:
        queue = self._queues[stream]
        queue.heads.append(entry)
        if len(queue.heads) == 1:
            self._advance(view, settled)
        if len(queue) > self._policy.queue_size:
            self._recover()
            self._boundaries[stream] = queue.heads[0].event.time
            self._push_out(queue, queue.heads[0], view)
            self._advance(view, settled)

    def _recover(self) -> None:
        """Give up the candidate: what was passed over may be needed after all."""
        self._candidate = self._pivot = None
        for queue in self._queues:
            queue.recover()

    @staticmethod
    def _push_out(queue: Queue, entry: Entry, view: View) -> None:
        queue.heads.remove(entry)
        entry.fate = Fate.EVICTED
        view.release(entry)
        queue.dropped = True

    def evict(self, entry: Entry, view: View) -> None:
        self._recover()
        for queue, waiting in zip(self._queues, self._unready, strict=True):
            if entry in queue.heads:
                self._push_out(queue, entry, view)
            elif entry in waiting:
                waiting.remove(entry)
                entry.fate = Fate.EVICTED
                view.release(entry)

    def rest(self, view: View) -> bool:
        return not any(queue.dropped for queue in self._queues)

    def carry(self) -> Any:
        if all(it == -INFINITY for it in self._boundaries):
            return None
        held = self._candidate
        pivot = self._pivot if held is None else (held.pivot, held.pivot_time)
        return (*self._boundaries,), (*(queue.dropped for queue in self._queues),), pivot

    def resume(self, carried: Any) -> None:
        boundaries, dropped, pivot = carried
        self._boundaries = list(boundaries)
        self._pivot = None if pivot is None else tuple(pivot)
        for queue, flag in zip(self._queues, dropped, strict=True):
            queue.dropped = flag

    def held(self) -> Iterable[Entry]:
        for queue, waiting in zip(self._queues, self._unready, strict=True):
            yield from (*queue.heads, *queue.past, *waiting)

    def _advance(self, view: View, settled: list[Settled]) -> None:
        """Look at sets as long as every stream has an event to look at."""
        while all(queue.heads for queue in self._queues):
            if self._step(view):
                settled.append(self._publish(view))

    def _prove(self, view: View, settled: list[Settled]) -> bool:
        """Use what the bounds say of events to come; gives whether that led anywhere."""
        if self._candidate is None:
            return self._give_up(view)
        if not candidate_is_best(self._candidate, self._queues, self._penalty, view):
            return False
        settled.append(self._publish(view))
        return True

    def _step(self, view: View) -> bool:
        """Look at the set of all heads; gives whether the candidate is certain to be the best."""
        queues = self._queues
        times = [queue.heads[0].event.time for queue in queues]
        start, end = min(times), max(times)
        first = times.index(start)
        last = len(times) - 1 - times[::-1].index(end)
        for stream, queue in enumerate(queues):
            if stream != last:
                queue.dropped = False  # what was dropped was older than the head, so no better
        candidate = self._candidate
        if candidate is None and self._pivot is not None:
            # Its members were the oldest events held, and nothing passed over is taken again.
            candidate = self._candidate = Candidate(*self._pivot, start, end)
            self._pivot = None
        elif candidate is None:
            if end - start > self._policy.max_interval or queues[last].dropped:
                self._drop_head(first, view)
                return False
            candidate = self._candidate = Candidate(last, end, start, end)
            self._pass_over(view)
        elif (end - candidate.end) * self._penalty < start - candidate.start:
            candidate.start, candidate.end = start, end
            self._pass_over(view)
        queues[first].set_aside()
        if first == candidate.pivot:
            return True
        return (end - candidate.end) * self._penalty >= candidate.pivot_time - candidate.start

    def _drop_head(self, stream: int, view: View) -> None:
        entry = self._queues[stream].heads.popleft()
        self._boundaries[stream] = entry.event.time
        view.release(entry)

    def _pass_over(self, view: View) -> None:
        """Let go of what lies before the new candidate's members."""
        for stream, queue in enumerate(self._queues):
            for entry in queue.past:
                entry.mark(Fate.SUPERSEDED)
                self._boundaries[stream] = entry.event.time
                view.release(entry)
            queue.past.clear()

    def _give_up(self, view: View) -> bool:
        """Drop the oldest head if what is missing can only come too late for it."""
        heads = [(it.heads[0].event.time, at) for at, it in enumerate(self._queues) if it.heads]
        if not heads:
            return False
        start, oldest = min(heads)
        last = min(start + self._policy.max_interval, NEVER)
        for stream, one in enumerate(self._queues):
            if not one.heads:
                if view.bound(stream) > last:
                    self._drop_head(oldest, view)
                    return True
                view.wake(stream, last)
        return False

    def _publish(self, view: View) -> Settled:
        assert self._candidate is not None
        time = self._candidate.end
        self._candidate = None
        members: dict[int, list[Entry]] = {}
        for stream, queue in enumerate(self._queues):
            queue.recover()
            entry = queue.heads.popleft()
            entry.fate = Fate.MATCHED
            self._boundaries[stream] = entry.event.time
            view.release(entry)
            members[stream] = [entry]
        # The span is an instant: chunks are given to a model whole.
        return Settled(time, time, time, time, members)
