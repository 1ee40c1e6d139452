"""When the samples of a regularly sampled chunk were taken, in exact integer arithmetic."""

from __future__ import annotations

from fractions import Fraction

__all__ = ["SampleClock"]

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

    def elapsed(self, samples: int) -> int:
        """How long a number of samples lasts, in ns: when the next one is due."""
        return samples * self._numerator // self._denominator

    def first_from(self, elapsed: int) -> int:
        """The first sample that is due `elapsed` ns or more after sample 0; may be negative."""
        # floor(i * period) >= elapsed exactly when i * period >= elapsed, as elapsed is whole.
        return -(-elapsed * self._denominator // self._numerator)

    def nearest(self, elapsed: int) -> int:
        """The sample that is due nearest to `elapsed` ns after sample 0; a tie goes to the later.

        It may be negative.
        """
        doubled = 2 * elapsed * self._denominator + self._numerator
        return doubled // (2 * self._numerator)
