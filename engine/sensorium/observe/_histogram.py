"""Counting by size: plain numbers, so that the hot path pays next to nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["Histogram"]


class Histogram:
    """Counts of values by bucket, and their sum. One thread writes; any may read.

    Parameters
    ----------
    bounds
        The upper bounds of the buckets, ascending; a value equal to a bound lies below it, and
        one above the last in a bucket of its own.
    """

    __slots__ = ("_array", "bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self._array = np.array(self.bounds)
        #: Per bucket, not cumulated.
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    def add_all(self, values: npt.NDArray[np.float64]) -> None:
        """Count many values."""
        self.sum += float(values.sum())
        places = self._array.searchsorted(values)
        for place, count in enumerate(np.bincount(places).tolist()):
            if count:
                self.counts[place] += count

    def copy(self) -> Histogram:
        """The counts as they are now."""
        one = Histogram(self.bounds)
        one.counts, one.sum = self.counts.copy(), self.sum
        return one
