"""Statistics of windows of samples, many windows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["statistic_names", "statistics"]

_QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_PER_CHANNEL: Final = (
    "mean",
    "std",
    "rms",
    "min",
    *(f"q{round(100 * q):02d}" for q in _QUANTILES),
    "max",
    "diff_mean",
    "diff_std",
    "diff_max",
    "crossings",
)
_PER_PAIR: Final = ("covariance", "correlation")
_OF_NORM: Final = ("norm_mean", "norm_std")


def statistic_names(channels: int) -> tuple[str, ...]:
    """Name the columns of `statistics`, in their order: ``"mean_0"``, ``"covariance_0_1"``."""
    names = [f"{name}_{channel}" for name in _PER_CHANNEL for channel in range(channels)]
    if channels > 1:
        pairs = list(combinations(range(channels), 2))
        names += [f"{name}_{i}_{j}" for name in _PER_PAIR for i, j in pairs]
        names += _OF_NORM
    return tuple(names)


def statistics(
    windows: npt.NDArray[np.float64], gaps: Sequence[int] = ()
) -> npt.NDArray[np.float64]:
    """Describe windows that have the same number of samples.

    Every sum runs within one window and in an order that depends on its shape only, so a window's
    row has the same bits whatever other windows are computed with it.

    Parameters
    ----------
    windows
        C-contiguous, shape (windows, channels, samples), at least one sample.
    gaps
        The samples, ascending, that something is missing before: they have no neighbour there.

    Returns
    -------
    array of shape (windows, columns)
        Columns as `statistic_names` names them. Per channel: mean, standard deviation and root
        mean square; minimum, quantiles and maximum; the mean size, deviation and greatest size of
        the differences between neighbours; how often neighbours lie on different sides of the
        mean, as a share. Per pair of channels: covariance and correlation. Of the samples'
        Euclidean norm: mean and standard deviation.
    """
    mean = windows.mean(axis=-1)
    centred = windows - mean[..., np.newaxis]
    std = np.sqrt(np.square(centred).mean(axis=-1))
    rms = np.sqrt(np.square(windows).mean(axis=-1))
    columns = [mean, std, rms, *_order_statistics(windows), *_differences(windows, centred, gaps)]
    if windows.shape[1] > 1:
        columns += _products(centred, std)
        norm = np.sqrt(np.square(windows).sum(axis=1))
        columns += [norm.mean(axis=-1)[:, np.newaxis], norm.std(axis=-1)[:, np.newaxis]]
    return np.concatenate(columns, axis=1)


def _order_statistics(windows: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Minimum, quantiles (linearly interpolated) and maximum."""
    ordered = np.sort(windows, axis=-1)
    last = ordered.shape[-1] - 1
    found = [ordered[..., 0]]
    for quantile in _QUANTILES:
        below = int(quantile * last)
        share = quantile * last - below
        above = min(below + 1, last)
        found.append(ordered[..., below] * (1 - share) + ordered[..., above] * share)
    return [*found, ordered[..., -1]]


def _differences(
    windows: npt.NDArray[np.float64], centred: npt.NDArray[np.float64], gaps: Sequence[int]
) -> list[npt.NDArray[np.float64]]:
    """How neighbouring samples differ; zeros where none has a neighbour."""
    beside = np.delete(np.arange(1, windows.shape[-1]), [gap - 1 for gap in gaps])
    if not len(beside):
        nothing = np.zeros(windows.shape[:-1])
        return [nothing, nothing, nothing, nothing]
    steps, above = np.diff(windows, axis=-1), centred >= 0
    crossed = above[..., 1:] != above[..., :-1]
    if gaps:
        steps, crossed = (np.ascontiguousarray(it[..., beside - 1]) for it in (steps, crossed))
    sizes = np.abs(steps)
    crossings = crossed.mean(axis=-1)
    return [sizes.mean(axis=-1), steps.std(axis=-1), sizes.max(axis=-1), crossings]


def _products(
    centred: npt.NDArray[np.float64], std: npt.NDArray[np.float64]
) -> list[npt.NDArray[np.float64]]:
    """Covariance and correlation of every pair of channels; a constant channel correlates 0."""
    left, right = np.array(list(combinations(range(centred.shape[1]), 2))).T
    covariance = (centred[:, left] * centred[:, right]).mean(axis=-1)
    spread = std[:, left] * std[:, right]
    correlation = np.divide(covariance, spread, out=np.zeros_like(spread), where=spread > 1e-12)
    return [covariance, correlation]
