"""The policy `nearest`: a primary event, and of every other stream the event nearest to it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from sensorium.align._candidates import Candidates, Pick, Reach, last_instant, reach_of
from sensorium.align._require import required_streams
from sensorium.align._waiting import Waiting
from sensorium.durations import INFINITY, Duration, DurationField
from sensorium.events import Fate
from sensorium.plugin import Entry, Matcher, Policy, Settled, StreamSpec, View

__all__ = ["Nearest"]


class NearestStream(BaseModel):
    """What one stream has instead of the policy's own parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: DurationField | None = Field(default=None, ge=0)
    after: DurationField | None = Field(default=None, ge=0)
    pick: Pick | None = None


class Nearest(Policy):
    """A set is a primary event and, of every other stream, one event near it.

    Parameters
    ----------
    primary
        The stream whose every event makes a set.
    before, after
        An event may go with a primary at t if it touches ``[t - before, t + after]``.
    pick
        Which of these: the nearest (of two as near, the later), the first or the last.
    streams
        Per stream, its own `before`, `after` and `pick`.
    """

    name: ClassVar[str] = "nearest"
    revises: ClassVar[bool] = True
    deadline_may_change: ClassVar[bool] = True

    primary: str
    before: DurationField = Field(default=0, ge=0)
    after: DurationField = Field(default=0, ge=0)
    pick: Pick = "nearest"
    streams: Mapping[str, NearestStream] = Field(default_factory=dict)

    @property
    def batches(self) -> bool:
        return True

    def extent(self, max_duration: Duration) -> Duration:
        before = max(self.before, *(one.before or 0 for one in self.streams.values()), 0)
        after = max(self.after, *(one.after or 0 for one in self.streams.values()), 0)
        return before + after + max_duration

    def check(self, streams: Sequence[str]) -> None:
        super().check(streams)
        if self.primary not in streams:
            raise ValueError(f"primary names the stream {self.primary!r}; there are {streams}")
        for name in self.streams:
            if name not in streams:
                raise ValueError(f"streams names the stream {name!r}; there are {streams}")
            if name == self.primary:
                raise ValueError(f"streams names the primary, {name!r}, which has no reach")

    def matcher(self, streams: Sequence[str], specs: Sequence[StreamSpec]) -> Matcher:
        reaches = tuple(self._reach(name, spec) for name, spec in zip(streams, specs, strict=True))
        required = required_streams(self, streams)
        return _NearestMatcher(streams.index(self.primary), reaches, required, self.revisions_end)

    def _reach(self, stream: str, spec: StreamSpec) -> Reach:
        own = self.streams.get(stream)
        longest = max(spec.max_duration, 1)
        if own is None:
            return reach_of(self.before, self.after, self.pick, longest)
        return reach_of(
            self.before if own.before is None else own.before,
            self.after if own.after is None else own.after,
            self.pick if own.pick is None else own.pick,
            longest,
        )


class _Anchor:
    """A primary event whose set is not closed."""

    __slots__ = ("blocker", "deadline", "emitted", "entry", "time")

    def __init__(self, entry: Entry, deadline: Duration) -> None:
        self.entry = entry
        self.time = entry.event.time
        self.deadline = deadline
        #: The members of its set, once that is emitted; from then on it may be revised.
        self.emitted: Mapping[int, Sequence[Entry]] | None = None
        #: The stream that was found open last, to be looked at first.
        self.blocker = -1


class _NearestMatcher(Matcher):
    __slots__ = (
        "_active", "_after", "_anchors", "_before", "_candidates", "_emitted", "_evicted",
        "_others", "_primary", "_reaches", "_required", "_revise_within", "_timed_out", "_times",
        "_waiting",
    )  # fmt: skip

    def __init__(
        self,
        primary: int,
        reaches: Sequence[Reach],
        required: frozenset[int],
        revise_within: Duration | None,
    ) -> None:
        self._primary = primary
        self._reaches = reaches
        self._required = required
        self._revise_within = revise_within
        others = [reach for stream, reach in enumerate(reaches) if stream != primary]
        before = max((reach.before for reach in others), default=0)
        after = max((reach.after for reach in others), default=0)
        #: How far a set reaches, as far as that is finite.
        self._before = 0 if before == INFINITY else int(before)
        self._after = 0 if after == INFINITY else int(after)
        self._others = [stream for stream in range(len(reaches)) if stream != primary]
        self._candidates = [Candidates() for _ in reaches]
        self._anchors: dict[int, _Anchor] = {}
        self._times: list[int] = []
        self._waiting = [Waiting() for _ in reaches]
        #: Anchors to look at in the next call of `settle`: no witness keeps them apart.
        self._active: list[int] = []
        #: Times of the emitted sets that an entry may have been within reach of.
        self._emitted: list[int] = []
        #: (time, deadline, unsettled streams) of the sets that a deadline closed.
        self._timed_out: list[tuple[int, Duration, frozenset[int]]] = []
        #: Up to this time a primary may have had a candidate that was given up.
        self._evicted: Duration = -INFINITY

    @property
    def idle(self) -> bool:
        return not self._anchors and not any(one.times for one in self._candidates)

    def add(self, stream: int, entry: Entry, view: View) -> bool:
        time = entry.event.time
        if stream == self._primary:
            if time <= self._evicted:
                entry.mark(Fate.EVICTED)
                view.release(entry)
                return False
            self._anchors[time] = _Anchor(entry, view.due(entry.arrived))
            insort(self._times, time)
            self._active.append(time)
            return True
        position = self._candidates[stream].insert(entry)
        # An event at the very time of a primary settles its stream there; so does one at the
        # very end of the reach, where the last counts.
        reach = self._reaches[stream]
        hit: Duration = time - reach.after if reach.pick == "last" else time
        anchor = self._anchors.get(hit)  # type: ignore[arg-type]
        if anchor is not None and anchor.blocker in (-1, stream):
            self._active.append(anchor.time)
        # What is the oldest of its stream may be done with at once.
        return not position or bool(self._active)

    def settle(self, view: View) -> Iterable[Settled]:
        times, self._active = self._active, []
        for stream in self._others:
            times += self._waiting[stream].due(stream, self._anchors, view)
        settled = []
        for time in dict.fromkeys(times):
            # A set that comes out at its deadline may be ready for its revision at once.
            while (anchor := self._anchors.get(time)) is not None:
                members: dict[int, list[Entry]] = {self._primary: [anchor.entry]}
                unsettled = self._match(anchor, members, view)
                if unsettled is None:
                    break
                one = self._close(anchor, members, unsettled, view)
                if one is not None:
                    settled.append(one)
        self._release(view)
        return settled

    def evict(self, entry: Entry, view: View) -> None:
        time = entry.event.time
        anchor = self._anchors.get(time)
        if anchor is not None and anchor.entry is entry:
            self._give_up(time, view)
            return
        for stream in self._others:
            candidates = self._candidates[stream]
            at = bisect_left(candidates.times, time)
            if at < len(candidates.entries) and candidates.entries[at] is entry:
                break
        del candidates.times[at], candidates.entries[at]
        entry.mark(Fate.EVICTED)
        view.release(entry)
        reach = self._reaches[stream]
        last = last_instant(entry) + reach.before
        self._evicted = max(self._evicted, last)
        low, high = bisect_left(self._times, time - reach.after), bisect_right(self._times, last)
        for one in self._times[low:high]:
            self._give_up(one, view)

    def _give_up(self, time: int, view: View) -> None:
        anchor = self._anchors.pop(time)
        del self._times[bisect_left(self._times, time)]
        anchor.entry.mark(Fate.EVICTED)
        view.release(anchor.entry)
        view.give_up()

    def held(self) -> Iterable[Entry]:
        for anchor in self._anchors.values():
            yield anchor.entry
        for candidates in self._candidates:
            yield from candidates.entries

    def rest(self, view: View) -> bool:
        self._forget(view)
        return not self._emitted and not self._timed_out and self._evicted == -INFINITY

    def _match(
        self, anchor: _Anchor, members: dict[int, list[Entry]], view: View
    ) -> frozenset[int] | None:
        """Fill in the members; None while a stream may still change them."""
        t, deadline = anchor.time, anchor.deadline
        unsettled = []
        blocker = anchor.blocker
        streams = self._others
        if blocker >= 0:
            streams = [blocker, *[stream for stream in streams if stream != blocker]]
        for stream in streams:
            reach = self._reaches[stream]
            best = self._candidates[stream].best(t, reach, deadline)
            if best is not None and best.event.time == t and reach.pick == "nearest":
                members[stream] = [best]  # nothing is nearer, nor as near and later
                continue
            first, last = _still_better(t, best, reach)
            if view.open(stream, first, last, deadline):
                if not view.passed(stream, deadline):
                    anchor.blocker = stream
                    self._wait(anchor, stream, first, last, view)
                    return None
                unsettled.append(stream)
            if best is not None:
                members[stream] = [best]
        return frozenset(unsettled)

    def _wait(
        self, anchor: _Anchor, stream: int, first: Duration, last: Duration, view: View
    ) -> None:
        """Let an anchor wait until its stream's bound passes a time that keeps the set open
        whatever else comes; where there is none, it is looked at in every call."""
        t, reach = anchor.time, self._reaches[stream]
        witness: Duration
        if reach.pick == "nearest":
            witness = t
        elif reach.pick == "last" and last == t + reach.after and last != INFINITY:
            witness = last
        else:
            self._active.append(t)
            return
        if first <= witness <= last and view.open(stream, witness, witness, anchor.deadline):
            self._waiting[stream].push(t, witness, anchor.deadline)
        else:
            self._active.append(t)

    def _close(
        self,
        anchor: _Anchor,
        members: dict[int, list[Entry]],
        unsettled: frozenset[int],
        view: View,
    ) -> Settled | None:
        t = anchor.time
        first = anchor.emitted is None
        wanted = members.keys() >= self._required and members != anchor.emitted
        if wanted:
            for entries in members.values():
                entries[0].fate = Fate.MATCHED
        if first:
            if unsettled:
                insort(self._timed_out, (t, anchor.deadline, unsettled), key=_time_of)
            if wanted:
                insort(self._emitted, t)
        if first and wanted and unsettled and self._revise_within is not None:
            anchor.emitted = members
            anchor.deadline += self._revise_within
        else:
            del self._anchors[t]
            del self._times[bisect_left(self._times, t)]
            view.release(anchor.entry)
        if not wanted:
            return None
        revision = 0 if first else 1
        return Settled(t, t, t - self._before, t + self._after, members, unsettled, revision)

    def _release(self, view: View) -> None:
        """Let go of the oldest entries that no open or future primary can reach."""
        oldest = self._times[0] if self._times else INFINITY
        bound = view.bound(self._primary)
        for stream in self._others:
            candidates = self._candidates[stream]
            reach = self._reaches[stream]
            done = 0
            for entry in candidates.entries:
                event = entry.event
                last = last_instant(entry) + reach.before
                if oldest <= last:
                    break
                first = event.time - reach.after
                if last >= bound and view.open(self._primary, first, last):
                    break
                if entry.fate is not Fate.MATCHED:
                    self._judge(stream, entry, first, last)
                view.release(entry)
                done += 1
            if done:
                candidates.drop(done)
        if len(self._emitted) > 64 or len(self._timed_out) > 64:
            self._forget(view)

    def _judge(self, stream: int, entry: Entry, first: Duration, last: Duration) -> None:
        """Settle the fate of an entry that no further set can use, and none has used."""
        low = bisect_left(self._timed_out, first, key=_time_of)
        high = bisect_right(self._timed_out, last, key=_time_of)
        for _, deadline, unsettled in self._timed_out[low:high]:
            if stream in unsettled and entry.arrived > deadline:
                entry.mark(Fate.LATE)
                return
        if bisect_right(self._emitted, last) > bisect_left(self._emitted, first):
            entry.mark(Fate.SUPERSEDED)

    def _forget(self, view: View) -> None:
        """Drop the notes on closed sets that nothing here or to come can have been near."""
        least: Duration = INFINITY
        for stream in self._others:
            candidates = self._candidates[stream]
            time = view.bound(stream)
            if candidates.times:
                time = min(time, candidates.times[0])
            least = min(least, time - self._reaches[stream].after)
        del self._emitted[: bisect_left(self._emitted, least)]
        del self._timed_out[: bisect_left(self._timed_out, least, key=_time_of)]


def _time_of(note: tuple[int, Duration, frozenset[int]]) -> int:
    return note[0]


def _still_better(t: int, best: Entry | None, reach: Reach) -> tuple[Duration, Duration]:
    """The times ``[first, last]`` at which an event, of any duration it may have, would take the
    place of `best` for a primary at `t`."""
    # An event that begins before this cannot last long enough to come within reach.
    first = t - reach.before - reach.longest + 1
    last = t + reach.after
    if best is None:
        return first, last
    time = best.event.time
    if reach.pick == "first":
        return first, min(last, time - 1)
    if reach.pick == "last":
        return max(first, time + 1), last
    end = last_instant(best)
    away = max(time - t, t - end, 0)
    if away == 0:
        # Only what also covers t, and begins later, is better.
        first = max(t - reach.longest + 1, time + 1)
    else:
        first = max(first, t - away - reach.longest + 2)
    # As near and later is better; beyond t, `best` itself may be the one that far away.
    return first, min(last, t + away if time < t + away else t + away - 1)
