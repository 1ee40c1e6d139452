"""What the distances between beats say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["RHYTHM", "rhythm"]

#: What `rhythm` gives, in order.
RHYTHM: Final = (
    "beats",
    "rate",
    "spread",
    "sdnn",
    "rmssd",
    "pnn50",
    "known",
)


def rhythm(beats: Sequence[npt.NDArray[Any]], rate: float) -> npt.NDArray[np.float64]:
    """Describe the beats of a stretch of time.

    Parameters
    ----------
    beats
        Per piece without a gap, the indices of its beats.
    rate
        Samples per second.

    Returns
    -------
    array of shape (7,)
        As `RHYTHM` names them: how many beats; beats per minute, by the median distance; the
        greatest less the least distance, in seconds; the standard deviation of the distances, the
        root mean square of their differences, both in seconds; the share of differences above
        50 ms; and 1 where at least two beats have told these, else 0, as all of them are then.
    """
    distances = [np.diff(piece) / rate for piece in beats]
    between = np.concatenate([*distances, np.empty(0)])
    count = float(sum(len(piece) for piece in beats))
    if not len(between):
        return np.array([count, 0, 0, 0, 0, 0, 0], np.float64)
    # Of neighbouring distances only: across a gap nobody knows.
    changes = np.concatenate([*(np.diff(piece) for piece in distances), np.empty(0)])
    rmssd = float(np.sqrt(np.mean(changes**2))) if len(changes) else 0.0
    pnn50 = float(np.mean(np.abs(changes) > 0.05)) if len(changes) else 0.0
    return np.array(
        [count, 60 / np.median(between), np.ptp(between), np.std(between), rmssd, pnn50, 1]
    )
