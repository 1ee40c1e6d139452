"""A msgpack reader that takes arrays as views over the input.

The compiled reader of the msgpack package copies the content of an extension before it hands it
over; this one is for the records that hold arrays, whose few other fields cost little in Python.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, Final

from sensorium.errors import WireError
from sensorium.wire._arrays import ARRAY_EXTENSION, array_from_extension

__all__ = ["MAX_CONTAINERS", "LongContainerError", "unique_map", "walk"]

#: The most lists and maps in one record; an empty one takes a byte there and 60 here.
MAX_CONTAINERS: Final = 100_000

_CONSTANTS: Final[dict[int, Any]] = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS: Final = {
    0xCA: struct.Struct(">f"),
    0xCB: struct.Struct(">d"),
    0xCC: struct.Struct(">B"),
    0xCD: struct.Struct(">H"),
    0xCE: struct.Struct(">I"),
    0xCF: struct.Struct(">Q"),
    0xD0: struct.Struct(">b"),
    0xD1: struct.Struct(">h"),
    0xD2: struct.Struct(">i"),
    0xD3: struct.Struct(">q"),
}
#: Per head byte, what it begins and how many bytes hold its length.
_SIZED: Final = {
    0xC4: ("bytes", 1),
    0xC5: ("bytes", 2),
    0xC6: ("bytes", 4),
    0xC7: ("extension", 1),
    0xC8: ("extension", 2),
    0xC9: ("extension", 4),
    0xD9: ("text", 1),
    0xDA: ("text", 2),
    0xDB: ("text", 4),
    0xDC: ("list", 2),
    0xDD: ("list", 4),
    0xDE: ("map", 2),
    0xDF: ("map", 4),
}


class LongContainerError(Exception):
    """A list or map is longer than the caller wanted to be read in Python."""


def unique_map(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """A dict of pairs whose keys are text and differ, or a `WireError`."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        if type(key) is not str or key in result:
            raise _bad_key(key)
        result[key] = value
    return result


def _bad_key(key: object) -> WireError:
    if type(key) is str:
        return WireError(f"The key {key[:80]!r} occurs twice in one map")
    return WireError(f"Expected `str` as a map's key, got `{type(key).__name__}`")


def walk(view: memoryview, max_depth: int, longest: int | None = None) -> Any:
    """Read the one value that `view` holds.

    Parameters
    ----------
    view
        The whole input, read-only.
    max_depth
        The deepest nesting.
    longest
        Where given, a longer list or map raises `LongContainerError`.

    Raises
    ------
    WireError
        As `decode_value`.
    """
    walker = _Walker(view, max_depth, longest)
    try:
        value = walker.value(0)
    except RecursionError:  # only where the caller allows a depth beyond the interpreter's
        raise WireError("Nested too deeply") from None
    if walker.at != len(view):
        raise WireError(f"{len(view) - walker.at} bytes follow the value")
    return value


class _Walker:
    # Every record goes through here, value by value: heads and texts are read in place, without
    # the views that `take` makes.
    __slots__ = ("at", "containers", "longest", "max_depth", "size", "view")

    def __init__(self, view: memoryview, max_depth: int, longest: int | None) -> None:
        self.view = view
        self.size = len(view)
        self.at = 0
        self.containers = 0
        self.max_depth = max_depth
        self.longest = longest

    def value(self, depth: int) -> Any:
        at = self.at
        if at >= self.size:
            raise self.early()
        head = self.view[at]
        self.at = at + 1
        if head < 0x80:
            return head
        if head >= 0xE0:
            return head - 0x100
        if head < 0xC0:
            if head >= 0xA0:
                return self.text(head & 0x1F)
            return self.container("map" if head < 0x90 else "list", head & 0x0F, depth)
        if head in _NUMBERS:
            number = _NUMBERS[head]
            return number.unpack_from(self.view, self.skip(number.size))[0]
        if head in _CONSTANTS:
            return _CONSTANTS[head]
        return self.sized(head, depth)

    def sized(self, head: int, depth: int) -> Any:
        if 0xD4 <= head <= 0xD8:
            return self.extension(1 << (head - 0xD4))
        if head not in _SIZED:
            raise WireError(f"Malformed msgpack data at byte {self.at - 1}")
        what, width = _SIZED[head]
        length = int.from_bytes(self.take(width))
        if what == "text":
            return self.text(length)
        if what == "bytes":
            return bytes(self.take(length))
        if what == "extension":
            return self.extension(length)
        return self.container(what, length, depth)

    def skip(self, length: int) -> int:
        """Where the next bytes begin, having gone beyond them."""
        at = self.at
        end = at + length
        if end > self.size:
            raise self.early()
        self.at = end
        return at

    def take(self, length: int) -> memoryview:
        at = self.skip(length)
        return self.view[at : self.at]

    def early(self) -> WireError:
        return WireError(f"The msgpack data ends early, at byte {self.size}")

    def text(self, length: int) -> str:
        at = self.at
        end = at + length
        if end > self.size:
            raise self.early()
        self.at = end
        try:
            return str(self.view[at:end], "utf-8")
        except UnicodeDecodeError:
            raise WireError("Expected text in UTF-8, got other bytes") from None

    def extension(self, length: int) -> Any:
        code = self.view[self.skip(1)]
        if code != ARRAY_EXTENSION:
            code -= 256 * (code > 127)
            raise WireError(f"Extension type {code} is not known; arrays are {ARRAY_EXTENSION}")
        return array_from_extension(self.take(length))

    def container(self, what: str, count: int, depth: int) -> Any:
        if depth >= self.max_depth:
            raise WireError(f"Nested deeper than {self.max_depth} levels")
        self.containers += 1
        if self.containers > MAX_CONTAINERS:
            raise WireError(f"More than {MAX_CONTAINERS} lists and maps")
        if self.longest is not None and count > self.longest:
            raise LongContainerError
        depth += 1
        if what == "list":
            return [self.value(depth) for _ in range(count)]
        result: dict[str, Any] = {}
        for _ in range(count):
            key = self.value(depth)
            if type(key) is not str or key in result:
                raise _bad_key(key)
            result[key] = self.value(depth)
        return result
