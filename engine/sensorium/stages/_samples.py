"""The part of a set that a modality may see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sensorium.events import AlignedSet, Event
from sensorium.plugin import Samples

__all__ = ["samples_of", "samples_of_event"]


def samples_of(sets: Sequence[AlignedSet], stream: str) -> tuple[list[int], list[Samples]]:
    """What one stream has in a micro-batch.

    Returns
    -------
    rows, items
        The rows of the sets that have events of the stream, and for each of them its samples.
    """
    found = [
        (row, aligned, members)
        for row, aligned in enumerate(sets)
        if (members := aligned.members.get(stream))
    ]
    events = [event for _, _, members in found for event in members]
    # One array for all, of which each item has its part.
    times = np.array([event.time for event in events], dtype=np.int64)
    durations = np.array([event.duration for event in events], dtype=np.int64)
    values = [event.value for event in events]
    rows, items, first = [], [], 0
    for row, aligned, members in found:
        last = first + len(members)
        rows.append(row)
        items.append(
            Samples(
                times[first:last],
                durations[first:last],
                values[first:last],
                aligned.start,
                aligned.end,
            )
        )
        first = last
    return rows, items


def samples_of_event(event: Event) -> Samples:
    """One event on its own; the span is its own, so that it is the same in every set."""
    return Samples(
        np.array([event.time], dtype=np.int64),
        np.array([event.duration], dtype=np.int64),
        [event.value],
        event.time,
        max(event.end, event.time + 1),
    )
