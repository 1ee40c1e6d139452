"""What `approximate` ought to find, with all events of a key in hand and nothing to prove.

It is written from the description of the algorithm, shares nothing with the engine, and looks at
every set that the description lets compete, one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence


def approximate_sets(
    streams: Sequence[Sequence[int]], max_interval: float, age_penalty: float
) -> list[tuple[int, ...]]:
    """The times of the members of each set, in the order in which they come.

    Parameters
    ----------
    streams
        Per stream, the times of its events, ascending and distinct.
    max_interval, age_penalty
        As in the policy.
    """
    left = [list(times) for times in streams]
    found = []
    while all(left):
        first = tuple(times[0] for times in left)
        if max(first) - min(first) > max_interval:
            left[first.index(min(first))].pop(0)
            continue
        best = first
        for other in _competitors(left):
            later = (max(other) - max(best)) * (1 + age_penalty)
            if later < min(other) - min(best):
                best = other
        found.append(best)
        left = [
            [time for time in times if time > member]
            for times, member in zip(left, best, strict=True)
        ]
    return found


def _competitors(streams: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """The sets that follow the set of all heads, each by giving up its oldest member, up to the
    last one that has the newest head (the pivot) or until a stream has nothing more."""
    places = [0] * len(streams)
    heads = [times[0] for times in streams]
    pivot = len(heads) - 1 - heads[::-1].index(max(heads))
    sets = []
    while True:
        times = [them[at] for them, at in zip(streams, places, strict=True)]
        oldest = times.index(min(times))
        if oldest == pivot or places[oldest] + 1 == len(streams[oldest]):
            return sets
        places[oldest] += 1
        sets.append(tuple(them[at] for them, at in zip(streams, places, strict=True)))
