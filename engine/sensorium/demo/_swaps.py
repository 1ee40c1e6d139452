"""Whose key is sent instead of whose, where keys are shuffled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

__all__ = ["Swaps"]

#: How long keys stay swapped before they are swapped anew, in ns.
_SWAP: Final = 10_000_000_000
#: Beside those of what is swapped, a stream of random numbers.
_SWAPS: Final = 2


class Swaps:
    """At any time, the key of another, and no two alike.

    Parameters
    ----------
    spans
        Of each key, when it begins and ends, in ns, and the key.
    seed
        What makes it reproducible.
    """

    def __init__(self, spans: Sequence[tuple[int, int, str]], seed: int) -> None:
        self._spans = spans
        self._seed = seed

    def instead(self, key: str, time: int) -> str:
        """The key under which an event is sent; its own where no other is there."""
        keys = sorted(name for start, end, name in self._spans if start <= time < end)
        if len(keys) < 2:
            return key
        rng = np.random.default_rng([self._seed, _SWAPS, time // _SWAP])
        by = 1 + int(rng.integers(1 << 30)) % (len(keys) - 1)
        return keys[(keys.index(key) + by) % len(keys)]
