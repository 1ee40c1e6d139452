"""Times and durations as records write them, in nanoseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any, Final, Literal, TypeAlias

from sensorium.durations import parse_duration
from sensorium.errors import WireError
from sensorium.wire._checks import in_int64

__all__ = ["TimeUnit", "read_duration", "read_time"]

#: The unit of a time that is a number.
TimeUnit: TypeAlias = Literal["ns", "us", "ms", "s"]

_SCALE: Final = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}
_NUMBER: Final = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?", re.ASCII)
_ISO: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9})0*)?(?:([Zz])|([+-])(\d\d):?(\d\d))",
    re.ASCII,
)
_EXACT: Final = Context(prec=80, rounding=ROUND_HALF_EVEN)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def read_time(value: Any, unit: TimeUnit, field: str) -> int:
    """Read a time.

    Parameters
    ----------
    value
        A number in `unit` (``int``, ``float``, ``Decimal``, or one as text), or text as ISO 8601
        and RFC 3339 have it, with its zone: ``2024-05-01T12:00:00.123456789Z``.
    unit
        Of a number.
    field
        What an error names.

    Returns
    -------
    int
        Nanoseconds since the epoch. A number finer than that is rounded, half to even.

    Raises
    ------
    WireError
        If it is none of these, or beyond 64 bits.
    """
    if type(value) is int:
        return in_int64(value * _SCALE[unit], field)
    if type(value) is float:
        return _scaled(Decimal(repr(value)), unit, field)
    if type(value) is Decimal:
        return _scaled(value, unit, field)
    if type(value) is not str:
        got = "null" if value is None else type(value).__name__
        raise WireError(f"Expected a time (a number or ISO 8601 text), got `{got}`", field=field)
    if _NUMBER.fullmatch(value):
        return _scaled(Decimal(value), unit, field)
    return _iso(value, field)


def read_duration(value: Any, unit: TimeUnit, field: str) -> int:
    """Read a duration: a number in `unit`, or text with units as ``"250ms"``.

    Raises
    ------
    WireError
        If it is neither, is negative or infinite, or beyond 64 bits.
    """
    if type(value) is str and not _NUMBER.fullmatch(value):
        try:
            duration = parse_duration(value[:64])
        except ValueError:
            duration = -1
        if type(duration) is not int:
            raise WireError("Expected a finite duration", field=field)
    elif type(value) in (int, float, Decimal, str):
        duration = read_time(value, unit, field)
    else:
        got = "null" if value is None else type(value).__name__
        raise WireError(f"Expected a duration (a number or text), got `{got}`", field=field)
    if duration < 0:
        raise WireError("Expected a duration such as 20 or '250ms', not negative", field=field)
    return in_int64(int(duration), field)


def _scaled(value: Decimal, unit: TimeUnit, field: str) -> int:
    if not value.is_finite():
        raise WireError("Expected a finite time", field=field)
    if not value:
        return 0
    if value.adjusted() > 20:  # before it is scaled: 1e999999999 would take all memory as an int
        return in_int64(2**64, field)
    try:
        nanoseconds = _EXACT.quantize(_EXACT.multiply(value, Decimal(_SCALE[unit])), Decimal(1))
    except InvalidOperation:
        raise WireError("Expected a time with fewer digits", field=field) from None
    return in_int64(int(nanoseconds), field)


def _iso(text: str, field: str) -> int:
    match = _ISO.fullmatch(text)
    if match is None:
        raise WireError(
            "Expected a time as ISO 8601 with its zone, such as 2024-05-01T12:00:00.5Z", field=field
        )
    date, clock, fraction, _, sign, hours, minutes = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}+00:00")
    except ValueError as error:
        raise WireError(f"Expected a time that exists ({error})", field=field) from None
    whole = (moment - _EPOCH) // timedelta(seconds=1)
    if sign:
        zone = int(hours) * 3600 + int(minutes) * 60
        if int(hours) > 23 or int(minutes) > 59:
            raise WireError("Expected a zone between -23:59 and +23:59", field=field)
        whole -= zone if sign == "+" else -zone
    return in_int64(whole * 10**9 + int((fraction or "").ljust(9, "0")), field)
