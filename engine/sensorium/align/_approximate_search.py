"""What `approximate` holds per stream, and the proof that no better set can come."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from sensorium.durations import INFINITY, Duration
from sensorium.plugin import Entry, View

__all__ = ["Candidate", "Queue", "candidate_is_best"]


class Queue:
    """The events of one stream in the order of time."""

    __slots__ = ("dropped", "heads", "min_period", "past")

    def __init__(self, min_period: int) -> None:
        self.min_period = min_period
        #: Not looked at yet; the first is a member of the set that is looked at.
        self.heads: deque[Entry] = deque()
        #: Since the candidate was found: its member, and what was looked at after it.
        self.past: list[Entry] = []
        #: Whether an event was pushed out that might have been better than the head.
        self.dropped = False

    def __len__(self) -> int:
        return len(self.heads) + len(self.past)

    @property
    def empty(self) -> bool:
        """Whether nothing is held."""
        return not self.heads and not self.past

    def set_aside(self) -> None:
        """Go on to the next head."""
        self.past.append(self.heads.popleft())

    def recover(self) -> None:
        """Take back what was set aside."""
        self.heads.extendleft(reversed(self.past))
        self.past.clear()


class Candidate:
    """The best set so far; its members are the oldest events held of each stream.

    Parameters
    ----------
    pivot, pivot_time
        The stream of the newest member of the first candidate, and its time: every set with that
        event is tried, and no set without it is better.
    start, end
        The times of the oldest and the newest member.
    """

    __slots__ = ("end", "pivot", "pivot_time", "start")

    def __init__(self, pivot: int, pivot_time: int, start: int, end: int) -> None:
        self.pivot = pivot
        self.pivot_time = pivot_time
        self.start = start
        self.end = end


def candidate_is_best(
    candidate: Candidate,
    queues: Sequence[Queue],
    penalty: float,
    view: View,
    at: Duration = INFINITY,
) -> bool:
    """Whether a candidate beats every set that is still possible.

    The search goes on as if the streams that have nothing more gave their next event at the
    earliest moment: when the stream's bound as of log time `at`, its `min_period` and the pivot
    allow it. Where it
    cannot tell, the view is asked to call again when a bound has moved far enough.
    """
    ahead = [0] * len(queues)
    while True:
        times = [
            _time_of(queue, place, candidate, view.bound(stream, at))
            for stream, (queue, place) in enumerate(zip(queues, ahead, strict=True))
        ]
        start, end = min(times), max(times)
        worse = (end - candidate.end) * penalty
        if worse >= candidate.pivot_time - candidate.start:
            return True
        if worse < start - candidate.start:
            break
        ahead[times.index(start)] += 1
    enough = _enough(candidate, penalty)
    for stream, (queue, place) in enumerate(zip(queues, ahead, strict=True)):
        if place == len(queue.heads):
            view.wake(stream, enough - 1, at)
    return False


def _enough(candidate: Candidate, penalty: float) -> int:
    """The least end of other sets from which on none of them can be better."""
    needed = candidate.pivot_time - candidate.start
    enough = candidate.end + math.ceil(needed / penalty)
    # Exactly where the proof's own comparison, in floating point, turns: who asks again at that
    # moment finds what who asks later finds.
    while (enough - 1 - candidate.end) * penalty >= needed:
        enough -= 1
    while (enough - candidate.end) * penalty < needed:
        enough += 1
    return enough


def _time_of(queue: Queue, place: int, candidate: Candidate, bound: Duration) -> Duration:
    if place < len(queue.heads):
        return queue.heads[place].event.time
    newest = (queue.heads or queue.past)[-1].event.time
    return max(newest + queue.min_period, candidate.pivot_time, bound)
