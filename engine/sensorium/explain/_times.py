"""Times as people read them: from the first event of the key, in seconds."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from sensorium.durations import Duration, format_duration, parse_duration
from sensorium.errors import ConfigError

__all__ = ["TimeAxis", "span"]

_SECOND: Final = 1_000_000_000
_MS: Final = 1_000_000


class TimeAxis:
    """Writes times relative to an origin.

    Parameters
    ----------
    origin
        In ns since the epoch.
    exact
        Whether nanoseconds are written; else it is milliseconds, rounded.
    """

    def __init__(self, origin: int, *, exact: bool = False) -> None:
        self.origin = origin
        self._exact = exact

    def __call__(self, time: Duration) -> str:
        """As ``+12.345 s``."""
        if math.isinf(time):
            return "the end" if time > 0 else "the beginning"
        since = int(time) - self.origin
        if not self._exact:
            since = round(since / _MS) * _MS
        sign, size = ("-", -since) if since < 0 else ("+", since)
        digits = 9 if self._exact else 3
        return f"{sign}{size // _SECOND}.{f'{size % _SECOND:09}'[:digits]} s"

    @property
    def began(self) -> str:
        """The origin in UTC."""
        seconds, rest = divmod(self.origin, _SECOND)
        try:
            return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"
        except (ValueError, OverflowError, OSError):
            return f"{self.origin} ns"

    def read(self, text: str) -> int:
        """A time as an argument: nanoseconds, ISO 8601 with its zone, or ``+12.5s``.

        Raises
        ------
        ConfigError
            If it is none of these.
        """
        try:
            if text.startswith(("+", "-")) and not text[1:].isdecimal():
                sign = -1 if text[0] == "-" else 1
                return self.origin + sign * int(parse_duration(text[1:].replace(" ", "")))
            if text.lstrip("+-").isdecimal():
                return int(text)
            since = datetime.fromisoformat(text) - datetime.fromtimestamp(0, UTC)
        except (ValueError, OverflowError, TypeError) as error:  # TypeError: it has no zone
            raise ConfigError(
                f"--time {text!r} is no time ({error}); write +12.5s after the key's first event, "
                "2025-01-01T00:00:05Z, or nanoseconds since 1970"
            ) from None
        return (since.days * 86_400 + since.seconds) * _SECOND + since.microseconds * 1000


def span(nanoseconds: Duration) -> str:
    """A length of time, to the millisecond where it is longer than one."""
    if not math.isinf(nanoseconds) and abs(nanoseconds) >= _MS:
        nanoseconds = round(int(nanoseconds) / _MS) * _MS
    return format_duration(nanoseconds)
