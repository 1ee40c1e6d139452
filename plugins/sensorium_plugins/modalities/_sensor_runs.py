"""Where the samples of many sets lie in their grids, computed for all chunks at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.plugin import Samples
from sensorium_plugins.modalities._sampling import SampleClock

__all__ = ["Runs", "runs_of"]

#: Differences of times below it fit 64 bits.
_FAR: Final = 2**62


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of samples that follow each other, in the order of the chunks; int64 of shape (runs,).

    Parameters
    ----------
    item
        Whose grid.
    place
        Where in the grid the first sample goes.
    first
        Which of all samples that is, counted over the chunks of all items.
    length
        How many samples there are.
    """

    item: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]

    def put(
        self,
        chunks: Sequence[npt.NDArray[Any]],
        signal: npt.NDArray[np.float32],
        mask: npt.NDArray[np.bool_],
    ) -> None:
        """Fill grids with the samples, and the rest with zeros; the later wins where two meet.

        Parameters
        ----------
        chunks
            All of them, of shape (samples, channels).
        signal, mask
            The grids, of shape (items, length, channels) and (items, length).
        """
        if not len(self.length):
            return
        ends = np.cumsum(self.length)
        starts = ends - self.length
        steps = np.arange(ends[-1])
        where = steps + np.repeat(self.item * mask.shape[1] + self.place - starts, self.length)
        taken = steps + np.repeat(self.first - starts, self.length)
        # Taking whole rows for every place costs a quarter of writing to some places: those of
        # which no sample is known take a row of zeros.
        rows = signal.reshape(-1, signal.shape[2])
        samples = np.concatenate([*chunks, np.zeros((1, rows.shape[1]), np.float32)])
        nothing = len(samples) - 1
        source = np.full(len(rows), nothing)
        source[where] = taken  # where a place occurs twice, numpy leaves the last value
        rows[...] = np.take(samples, source, axis=0)
        mask.reshape(-1)[...] = source != nothing


def runs_of(
    items: Sequence[Samples],
    chunks: Sequence[npt.NDArray[Any]],
    clock: SampleClock,
    span: int,
    length: int,
) -> Runs | None:
    """Clip the chunks of sets to the sets' spans, and find their places in the grids.

    Parameters
    ----------
    items
        Sets, each with one chunk at least.
    chunks
        The chunks of all of them.
    clock
        When the samples were taken.
    span, length
        The grid: how much of a set's span it sees, in ns, and its places.

    Returns
    -------
    Runs or None
        None where the numbers are too large for 64 bits, or a set covers no span of time.
    """
    counts = [len(item.values) for item in items]
    samples = np.fromiter(map(len, chunks), np.int64, len(chunks))
    times = np.concatenate([item.times for item in items])
    try:
        starts = np.array([item.start for item in items], np.int64)
        ends = np.array([item.end for item in items], np.int64)
    except OverflowError:
        return None
    if starts.min() <= -_FAR or ends.max() >= _FAR or not (starts < ends).all():
        return None
    if times.max() >= _FAR or times.min() <= -_FAR:
        return None
    owner = np.repeat(np.arange(len(items)), counts)
    anchor = np.maximum(starts, ends - span)[owner]
    start, end = starts[owner], ends[owner]
    farthest = max(int((end - times).max()), int((times - start).max()))
    if not clock.fits(farthest, int(samples.max())):
        return None
    first = np.maximum(clock.first_from(start - times), 0)
    stop = np.minimum(clock.first_from(end - times), samples)
    place = clock.nearest(times + clock.elapsed(first) - anchor)
    outside = np.maximum(-place, 0)
    counted = np.minimum(stop - first, length - place) - outside
    # A chunk outside the span may seem to have samples in the grid.
    there = (counted > 0) & (first < stop)
    begin = np.cumsum(samples) - samples + first
    return Runs(owner[there], (place + outside)[there], (begin + outside)[there], counted[there])
