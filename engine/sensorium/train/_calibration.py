"""Whether a score means what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ReliabilityBin", "calibration_error", "reliability"]


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The predictions whose score lies in one interval.

    Parameters
    ----------
    low, high
        The interval, closed at `high`; the first is closed at both ends.
    count
        How many there are.
    score
        Their mean score, None if there are none.
    share
        The share of them that is right, None if there are none.
    """

    low: float
    high: float
    count: int
    score: float | None
    share: float | None


def reliability(
    scores: npt.NDArray[Any], right: npt.NDArray[np.bool_], bins: int = 10
) -> tuple[ReliabilityBin, ...]:
    """Group predictions by their score, in bins of equal width.

    Parameters
    ----------
    scores
        Shape (predictions,), in [0, 1].
    right
        bool, shape (predictions,).
    bins
        How many.
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    index = np.clip(np.searchsorted(edges, scores, side="left") - 1, 0, bins - 1)
    found = []
    for i in range(bins):
        inside = index == i
        count = int(inside.sum())
        score = float(scores[inside].mean(dtype=np.float64)) if count else None
        share = float(right[inside].mean()) if count else None
        found.append(ReliabilityBin(float(edges[i]), float(edges[i + 1]), count, score, share))
    return tuple(found)


def calibration_error(bins: Sequence[ReliabilityBin]) -> float | None:
    """Expected calibration error: the mean gap of score and share, weighted by count.

    Guo et al., "On calibration of modern neural networks", ICML 2017. None if there is nothing.
    """
    total = sum(found.count for found in bins)
    if not total:
        return None
    gaps = (
        found.count * abs(found.score - found.share)
        for found in bins
        if found.score is not None and found.share is not None
    )
    return sum(gaps) / total
