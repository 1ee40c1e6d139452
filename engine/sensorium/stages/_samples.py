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
    rows, items = [], []
    for row, aligned in enumerate(sets):
        events = aligned.members.get(stream)
        if events:
            rows.append(row)
            items.append(_samples(events, aligned.start, aligned.end))
    return rows, items


def samples_of_event(event: Event) -> Samples:
    """One event on its own; the span is its own, so that it is the same in every set."""
    return _samples((event,), event.time, max(event.end, event.time + 1))


def _samples(events: Sequence[Event], start: int, end: int) -> Samples:
    return Samples(
        times=np.array([event.time for event in events], dtype=np.int64),
        durations=np.array([event.duration for event in events], dtype=np.int64),
        values=[event.value for event in events],
        start=start,
        end=end,
    )
