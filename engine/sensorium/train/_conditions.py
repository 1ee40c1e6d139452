"""Under which circumstances a model is tested: which streams are there, and how often one fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from sensorium.train._dropout import outages
from sensorium.train._features import Encoded

__all__ = ["Condition", "drop_conditions", "single_conditions", "subset_conditions"]

#: With more streams than this, not every subset is tried.
_ALL_SUBSETS = 4


@dataclass(frozen=True, slots=True)
class Condition:
    """One circumstance.

    Parameters
    ----------
    name
        As the tables show it.
    streams
        The streams that are used; the others are taken away.
    drop
        The probability with which each stream of each set is taken away.
    """

    name: str
    streams: tuple[str, ...]
    drop: float = 0.0

    def apply(self, encoded: Encoded, seed: int) -> tuple[npt.NDArray[np.intp], Encoded]:
        """Take away what this condition takes away.

        Returns
        -------
        rows, encoded
            The sets that have a stream left, int of shape (rows,), and their features.
        """
        present = {
            name: there if name in self.streams else np.zeros_like(there)
            for name, there in encoded.present.items()
        }
        if self.drop:
            # The seed does not depend on the rate: a higher rate takes away the same and more.
            present = outages(present, self.drop, np.random.default_rng([seed, 2]))
        rows = np.flatnonzero(np.any(list(present.values()), axis=0))
        left = {name: there[rows] for name, there in present.items()}
        return rows, encoded.take(rows, left)


def single_conditions(streams: Sequence[str]) -> list[Condition]:
    """All streams together, then each alone."""
    together = Condition("all streams", tuple(streams))
    if len(streams) == 1:
        return [together]
    return [together, *(Condition(f"{name} alone", (name,)) for name in streams)]


def drop_conditions(streams: Sequence[str], rates: Sequence[float]) -> list[Condition]:
    """All streams, each of them missing now and then.

    Raises
    ------
    ValueError
        If a rate is not in [0, 1).
    """
    for rate in rates:
        if not 0 <= rate < 1:
            raise ValueError(f"the drop rate {rate:g} must be at least 0 and less than 1")
    return [
        Condition(f"each stream missing {rate:.0%}", tuple(streams), rate)
        for rate in rates
        if rate > 0
    ]


def subset_conditions(streams: Sequence[str]) -> list[Condition]:
    """Every subset of up to 4 streams; of more, all, each alone, and all but each."""
    found = single_conditions(streams)
    sizes = range(2, len(streams)) if len(streams) <= _ALL_SUBSETS else [len(streams) - 1]
    for size in sizes:
        found += [Condition(" + ".join(some), some) for some in combinations(streams, size)]
    return found
