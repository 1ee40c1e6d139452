"""When the samples of a regularly sampled chunk were taken, in exact integer arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["SampleClock"]

#: A number, or many of them: then `SampleClock.fits` has to hold for the largest.
Whole = TypeVar("Whole", int, npt.NDArray[np.int64])

_SECOND = 1_000_000_000


class SampleClock:
    """The instants of the samples of a chunk: sample `i` is taken ``floor(i / rate)`` ns into it.

    Parameters
    ----------
    rate
        Samples per second. Its shortest decimal form is taken as exact, so 12.1 Hz is 121/10.
    """

    __slots__ = ("_denominator", "_numerator")

    def __init__(self, rate: float) -> None:
        period = Fraction(_SECOND) / Fraction(str(rate))
        self._numerator = period.numerator
        self._denominator = period.denominator

    def elapsed(self, samples: Whole) -> Whole:
        """How long a number of samples lasts, in ns: when the next one is due."""
        return samples * self._numerator // self._denominator

    def first_from(self, elapsed: Whole) -> Whole:
        """The first sample that is due `elapsed` ns or more after sample 0; may be negative."""
        # floor(i * period) >= elapsed exactly when i * period >= elapsed, as elapsed is whole.
        return -(-elapsed * self._denominator // self._numerator)

    def nearest(self, elapsed: Whole) -> Whole:
        """The sample that is due nearest to `elapsed` ns after sample 0; a tie goes to the later.

        It may be negative.
        """
        doubled = 2 * elapsed * self._denominator + self._numerator
        return doubled // (2 * self._numerator)

    def fits(self, elapsed: int, samples: int) -> bool:
        """Whether numbers of this size, and smaller, are computed exactly in 64 bits."""
        elapsed += samples * self._numerator // self._denominator
        doubled = 2 * elapsed * self._denominator + self._numerator
        return doubled < 2**63 and samples * self._numerator < 2**63
