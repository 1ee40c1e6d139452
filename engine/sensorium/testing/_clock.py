"""A clock that is turned by hand."""

from __future__ import annotations

from sensorium.durations import parse_duration

__all__ = ["Clock"]


class Clock:
    """Gives the time that it was turned to; it never goes by itself.

    Parameters
    ----------
    now
        The first time, in ns since the epoch.
    """

    def __init__(self, now: int = 0) -> None:
        self._now = now

    def __call__(self) -> int:
        """The time, in ns since the epoch."""
        return self._now

    def advance(self, by: str | int) -> int:
        """Turn it on, by ``"1s"`` or ns, and give the new time.

        Raises
        ------
        ValueError
            If it would go back, or for ever.
        """
        duration = parse_duration(by)
        if not isinstance(duration, int) or duration < 0:
            raise ValueError(f"a clock cannot be advanced by {by!r}")
        self._now += duration
        return self._now
