"""How far the clocks of streams and devices seem to be off, and how fast they drift.

The model: an event of stream s and key k that ends at its own clock's time t is logged at
``t + level(s, k) + drift(s, k) * t + wait``, with a wait that is never negative and now and then
nearly none. So the least delays, over short stretches of time, lie on a line. Its height is the
transport delay less how far the clock is ahead: the two cannot be told apart. What can be estimated
is a difference: of a stream to the other streams of the same keys, and of a key to the other keys,
as far as their transport takes equally long.

The line is fitted by Theil and Sen's method (the median of the slopes between all pairs of points)
to the least delays of stretches with equal numbers of events; the intervals are percentiles of a
bootstrap over keys and over the points of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.operations._survey import Arrivals

__all__ = ["ClockEstimate", "estimate_clocks"]

_Floats = npt.NDArray[np.float64]
_STRETCHES: Final = 24
_PER_STRETCH: Final = 4
_LEAST_EVENTS: Final = 16
_RESAMPLES: Final = 300
#: The percentiles of an interval that holds 95%.
_INTERVAL: Final = (2.5, 97.5)
_MOST_KEYS: Final = 500


@dataclass(frozen=True, slots=True)
class ClockEstimate:
    """How far a clock seems to be ahead of the others it is compared with.

    Parameters
    ----------
    stream, key
        Whose; the one that is not meant is None.
    ahead, interval
        In ns, with the interval that holds it with 95%. Negative: behind.
    drift, drift_interval
        How much farther it gets ahead, in parts per million; NaN where that is not known.
    keys
        From how many keys.
    """

    stream: str | None
    key: str | None
    ahead: float
    interval: tuple[float, float]
    drift: float
    drift_interval: tuple[float, float]
    keys: int

    @property
    def certain(self) -> bool:
        """Whether the interval excludes that the clock is right."""
        return not self.interval[0] <= 0 <= self.interval[1]

    @property
    def stands_out(self) -> bool:
        """Whether it is off by more than the interval is wide: of many, some are off by chance."""
        return abs(self.ahead) > self.interval[1] - self.interval[0]


def estimate_clocks(
    arrivals: Mapping[tuple[str, str], Arrivals], *, seed: int = 0
) -> list[ClockEstimate]:
    """Estimate, from when events were logged, how far clocks are off; nothing is corrected.

    Parameters
    ----------
    arrivals
        By stream and key.
    seed
        What makes the intervals reproducible.

    Returns
    -------
    list of ClockEstimate
        Of each stream, compared with the others of the same keys, where there are at least two;
        then of each key, compared with the others, the farthest first. A stream of a key with
        fewer than 16 events says nothing.
    """
    rng = np.random.default_rng(seed)
    keys = sorted({key for _, key in arrivals})[:_MOST_KEYS]
    streams = sorted({stream for stream, _ in arrivals})
    shape = (len(streams), len(keys), _RESAMPLES + 1)
    # The first of the last axis is the estimate itself, the others are resampled.
    levels, slopes = np.full(shape, np.nan), np.full(shape, np.nan)
    for row, stream in enumerate(streams):
        for column, key in enumerate(keys):
            them = arrivals.get((stream, key))
            if them is not None and len(them) >= _LEAST_EVENTS:
                levels[row, column], slopes[row, column] = _lines(them, rng)
    found = []
    if len(streams) > 1:
        for row, stream in enumerate(streams):
            ahead, drift = (_against_others(them, row) for them in (levels, slopes))
            found += _estimate(stream, None, ahead, drift, rng)
    per_key, drifts = (_median(them, axis=0) for them in (levels, slopes))
    apart = []
    for column, key in enumerate(keys):
        ahead, drift = (_against_others(them, column) for them in (per_key, drifts))
        apart += _estimate(None, key, ahead[np.newaxis], drift[np.newaxis], rng)
    return found + sorted(apart, key=lambda one: -abs(one.ahead))


def _lines(them: Arrivals, rng: np.random.Generator) -> tuple[_Floats, _Floats]:
    """Level and slope of the least delays: as they are, and resampled."""
    order = np.argsort(them.times, kind="stable")
    times = (them.times[order] - them.times[order[0]]).astype(float)
    delays = (them.logged - them.ends)[order].astype(float)
    stretches = np.array_split(
        np.arange(len(times)), min(_STRETCHES, max(4, len(times) // _PER_STRETCH))
    )
    least = np.array([part[np.argmin(delays[part])] for part in stretches])
    x, y = times[least] - times.mean(), delays[least]
    chosen = np.vstack([np.arange(len(x)), rng.integers(0, len(x), size=(_RESAMPLES, len(x)))])
    slopes = _theil_sen(x[chosen], y[chosen])
    levels = np.median(y[chosen] - slopes[:, np.newaxis] * x[chosen], axis=1)
    return levels, slopes


def _theil_sen(x: _Floats, y: _Floats) -> _Floats:
    """Per row the median of the slopes between all pairs of its points; 0 where there is none."""
    first, second = np.triu_indices(x.shape[1], 1)
    run = x[:, second] - x[:, first]
    rise = y[:, second] - y[:, first]
    slopes = np.divide(rise, run, out=np.full_like(run, np.nan), where=run != 0)
    return np.nan_to_num(_median(slopes, axis=1))


def _against_others(values: _Floats, row: int) -> _Floats:
    """The others' median less a row's own: how far it is ahead, since that shortens delays."""
    ahead: _Floats = _median(np.delete(values, row, axis=0), axis=0) - values[row]
    return ahead


def _median(values: _Floats, axis: int) -> _Floats:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all of them may be unknown
        found: _Floats = np.nanmedian(values, axis=axis)
    return found


def _estimate(
    stream: str | None,
    key: str | None,
    ahead: _Floats,
    drift: _Floats,
    rng: np.random.Generator,
) -> list[ClockEstimate]:
    """From rows per key, the first column the estimate, the others resampled."""
    known = ~np.isnan(ahead[:, 0])
    count = int(known.sum())
    if not count:
        return []
    rows = rng.integers(0, count, size=(count, _RESAMPLES))

    def over_keys(values: _Floats) -> tuple[float, tuple[float, float]]:
        mine = values[known]
        resampled = np.median(mine[rows, np.arange(1, _RESAMPLES + 1)], axis=0)
        low, high = np.percentile(resampled, _INTERVAL)
        return float(np.median(mine[:, 0])), (float(low), float(high))

    level, interval = over_keys(ahead)
    slope, drift_interval = over_keys(drift)
    per_million: Any = np.multiply(drift_interval, 1e6)
    return [
        ClockEstimate(
            stream, key, level, interval, slope * 1e6, (per_million[0], per_million[1]), count
        )
    ]
