"""Small checks of decoded values, with errors that name the field."""

from __future__ import annotations

from typing import Any, Final

from sensorium.errors import WireError

__all__ = [
    "INT64_MAX",
    "INT64_MIN",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_KEY",
    "bounded_key",
    "check_nesting",
    "expect",
    "expect_text",
    "in_int64",
    "missing",
]

#: The largest record that is read, in bytes, unless the caller says otherwise.
MAX_BYTES: Final = 32 * 1024 * 1024
#: The deepest nesting of lists and maps that is read, unless the caller says otherwise.
MAX_DEPTH: Final = 32
#: The longest key, in characters. It is in everything that is written of an entity, and a
#: prediction that is larger than its topic takes would hold up all that follow it.
MAX_KEY: Final = 16_384

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1

_NAMES = {"NoneType": "null", "dict": "map"}


def _name(kind: type) -> str:
    return _NAMES.get(kind.__name__, kind.__name__)


def expect(value: Any, kind: type, field: str) -> None:
    """Refuse a value that is not exactly of a type; so a bool is not an int."""
    if type(value) is not kind:
        raise WireError(f"Expected `{_name(kind)}`, got `{_name(type(value))}`", field=field)


def expect_text(value: Any, field: str) -> str:
    """A string that can be written again, or a `WireError`."""
    expect(value, str, field)
    text: str = value
    try:
        text.encode()
    except UnicodeEncodeError:
        raise WireError("Expected Unicode text, got a lone surrogate", field=field) from None
    return text


def bounded_key(key: str | None, field: str) -> str | None:
    """A key that is not too long, or a `WireError`."""
    if key is not None and len(key) > MAX_KEY:
        raise WireError(
            f"Expected a key of at most {MAX_KEY:,} characters, got {len(key):,}", field=field
        )
    return key


def in_int64(value: int, field: str) -> int:
    """A number of nanoseconds that fits 64 bits (the years 1677 to 2262), or a `WireError`."""
    if not INT64_MIN <= value <= INT64_MAX:
        raise WireError(
            "Expected nanoseconds within 64 bits (the years 1677 to 2262); "
            "is the unit of time right?",
            field=field,
        )
    return value


def missing(field: str) -> WireError:
    """The error for a required field that is not there."""
    return WireError("Missing required field", field=field)


def check_nesting(value: Any, max_depth: int, field: str = "$") -> None:
    """Refuse lists and maps nested deeper than `max_depth`; a scalar has depth 0.

    It goes level by level, so it needs no stack however deep the value is.
    """
    level = [value] if type(value) in (list, dict) else []
    for _ in range(max_depth):
        if not level:
            return
        below: list[Any] = []
        for item in level:
            children = item.values() if type(item) is dict else item
            below.extend(child for child in children if type(child) in (list, dict))
        level = below
    if level:
        raise WireError(f"Nested deeper than {max_depth} levels", field=field)
