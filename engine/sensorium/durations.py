"""Durations as people write them, in nanoseconds.

``"250ms"``, ``"1h30m"``, ``"inf"``, or a plain ``int`` of nanoseconds.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Annotated, Final, TypeAlias

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

__all__ = ["INFINITY", "Duration", "DurationField", "format_duration", "parse_duration"]

#: Nanoseconds, or infinity. ``math.inf`` compares exactly with any ``int``.
Duration: TypeAlias = int | float

INFINITY: Final = math.inf

_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)", re.ASCII)
_WHOLE = re.compile(r"(-?)((?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h|d))+)", re.ASCII)


def parse_duration(value: str | int | float) -> Duration:
    """Read a duration.

    Parameters
    ----------
    value
        A string of numbers with units (``ns us ms s m h d``), as ``"250ms"``, ``"1h30m"`` or
        ``"-5ms"``; ``"inf"``; an ``int`` of nanoseconds; or ``math.inf``.

    Returns
    -------
    int or math.inf
        Nanoseconds.

    Raises
    ------
    ValueError
        If it is none of these, or not a whole number of nanoseconds.
    """
    if isinstance(value, bool):
        # One kind of error for whatever is no duration, as documented.
        raise ValueError(  # noqa: TRY004
            f"{value!r} is not a duration; write it as '250ms', '2s' or 'inf'"
        )
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if value == INFINITY:
            return value
        raise ValueError(f"{value!r} has no unit; write it as '{value:g}s' or in whole nanoseconds")
    if value == "inf":
        return INFINITY
    text = value.replace(" ", "")
    if text == "0":
        return 0
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        raise ValueError(f"{value!r} is not a duration; write it as '250ms', '1h30m' or 'inf'")
    total = sum(Fraction(number) * _UNITS[unit] for number, unit in _PART.findall(whole[2]))
    if total.denominator != 1:
        raise ValueError(f"{value!r} is not a whole number of nanoseconds")
    return -int(total) if whole[1] else int(total)


def format_duration(nanoseconds: Duration) -> str:
    """Write a duration so that `parse_duration` reads the same value: ``"1h30m"``, ``"250ms"``."""
    if nanoseconds == INFINITY:
        return "inf"
    rest = int(nanoseconds)
    if rest == 0:
        return "0s"
    sign, rest = ("-", -rest) if rest < 0 else ("", rest)
    parts = []
    for unit in ("d", "h", "m", "s", "ms", "us", "ns"):
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return sign + "".join(parts)


def _read(value: object) -> Duration:
    # Pydantic reports a ValueError; anything else, as of a list, would be taken for a crash.
    if not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is not a duration; write it as '250ms', '2s' or 'inf'")  # noqa: TRY004
    return parse_duration(value)


def _serialise(value: Duration) -> str:
    return format_duration(value)


#: A pydantic field that takes any of the forms above and holds nanoseconds.
DurationField: TypeAlias = Annotated[
    int | float,
    BeforeValidator(_read),
    PlainSerializer(_serialise, return_type=str),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^(inf|0|-?(\d+(\.\d+)?(ns|us|ms|s|m|h|d))+)$"},
                {"type": "integer"},
            ],
            "description": "A duration: '250ms', '1h30m', 'inf', or whole nanoseconds.",
        }
    ),
]
