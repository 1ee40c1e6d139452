"""Where the heart beats in an electrocardiogram."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["find_beats"]

#: The band of the QRS complex, in Hz.
_BAND: Final = (8.0, 20.0)
#: How long a QRS complex and a whole beat last, in seconds.
_COMPLEX, _BEAT = 0.097, 0.611
#: How much of the mean energy is added to the threshold.
_OFFSET: Final = 0.08
#: A peak is no lower than this share of the highest tenth of the peaks: noise between two beats is.
_LEAST: Final = 0.4
#: The heart cannot beat again so soon, in seconds.
_REFRACTORY: Final = 0.3


def find_beats(samples: npt.NDArray[Any], rate: float) -> npt.NDArray[np.intp]:
    """Find the R peaks.

    Two moving averages of the energy in the band of the QRS complex, one as long as a complex and
    one as long as a beat: where the short one exceeds the long one for as long as a complex, there
    is one. M. Elgendi, "Fast QRS detection with an optimized knowledge-based method", PLoS ONE
    8(9): e73557, 2013.

    Parameters
    ----------
    samples
        One lead, shape (samples,), in any unit, with or without a baseline.
    rate
        Samples per second, above 40.

    Returns
    -------
    array of intp
        The indices of the peaks, ascending; of either sign, whichever the lead shows.
    """
    if len(samples) < 2 * _COMPLEX * rate:
        return np.empty(0, np.intp)
    filtered = _in_band(samples.astype(np.float64), rate)
    energy = filtered**2
    short, long = _average(energy, _COMPLEX * rate), _average(energy, _BEAT * rate)
    mean = energy.mean()
    above = short > long + _OFFSET * mean
    if not mean > 1e-24:  # a flat line; the filter leaves rounding errors of it
        return np.empty(0, np.intp)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], above, [False]]).astype(np.int8)))
    peaks: list[int] = []
    for start, stop in edges.reshape(-1, 2):
        if stop - start < _COMPLEX * rate:
            continue
        peak = int(start + np.argmax(np.abs(filtered[start:stop])))
        if peaks and peak - peaks[-1] < _REFRACTORY * rate:
            if energy[peak] > energy[peaks[-1]]:
                peaks[-1] = peak
        else:
            peaks.append(peak)
    if not peaks:
        return np.empty(0, np.intp)
    found = np.array(peaks, np.intp)
    heights = np.abs(filtered[found])
    high: npt.NDArray[np.intp] = found[heights >= _LEAST * np.quantile(heights, 0.9)]
    return high


def _in_band(samples: npt.NDArray[np.float64], rate: float) -> npt.NDArray[np.float64]:
    """The part within the band, without a shift in time."""
    # Mirrored at both ends, where a filter would see a step.
    margin = min(len(samples) - 1, round(rate))
    mirrored = np.pad(samples, margin, mode="reflect")
    frequencies = np.fft.rfftfreq(len(mirrored), 1 / rate)
    low, high = _BAND
    # Butterworth's gains, of the third order.
    with np.errstate(divide="ignore"):
        gains = 1 / np.sqrt((1 + (low / frequencies) ** 6) * (1 + (frequencies / high) ** 6))
    kept = np.fft.irfft(np.fft.rfft(mirrored) * gains, len(mirrored))
    return kept[margin : margin + len(samples)]


def _average(values: npt.NDArray[np.float64], width: float) -> npt.NDArray[np.float64]:
    """The moving average over an odd number of values, of fewer at the ends."""
    half = max(1, round((width - 1) / 2))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    first = np.maximum(np.arange(len(values)) - half, 0)
    last = np.minimum(np.arange(len(values)) + half + 1, len(values))
    means: npt.NDArray[np.float64] = (sums[last] - sums[first]) / (last - first)
    return means
