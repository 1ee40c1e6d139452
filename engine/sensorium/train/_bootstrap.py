"""How far a metric could be off by the luck of which keys were drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["bootstrap_share"]


def bootstrap_share(
    right: npt.NDArray[np.bool_],
    keys: Sequence[str],
    *,
    seed: int = 0,
    draws: int = 1000,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Confidence interval of the share that is right, by the percentile bootstrap over keys.

    Keys are drawn whole, since the sets of one key are alike.

    Parameters
    ----------
    right
        bool, shape (sets,).
    keys
        The key of every set.
    seed
        What makes the draws reproducible.
    draws
        How many.
    level
        The share of draws inside the interval.

    Returns
    -------
    (low, high), or None if there are fewer than two keys.
    """
    names, index = np.unique(np.asarray(keys, dtype=object).astype(str), return_inverse=True)
    if len(names) < 2:
        return None
    hits = np.bincount(index, weights=right)
    counts = np.bincount(index)
    picks = np.random.default_rng(seed).integers(0, len(names), size=(draws, len(names)))
    shares = hits[picks].sum(axis=1) / counts[picks].sum(axis=1)
    tail = (1 - level) / 2
    low, high = np.quantile(shares, [tail, 1 - tail])
    return float(low), float(high)
