"""Values as msgpack, bounded: no input makes the reader fail in another way than `WireError`."""

from __future__ import annotations

from typing import Any, Final

import msgpack
import numpy as np

from sensorium.errors import WireError
from sensorium.wire._arrays import ARRAY_EXTENSION, array_to_extension
from sensorium.wire._checks import MAX_BYTES, MAX_DEPTH, check_nesting
from sensorium.wire._flat import flat_map
from sensorium.wire._walk import MAX_CONTAINERS, LongContainerError, unique_map, walk

__all__ = ["decode_value", "encode_value"]

#: How the three forms of msgpack's timestamp begin. The compiled reader turns them into objects
#: of its own without asking; where these bytes occur (by chance, as a rule), it is not used.
_TIMESTAMPS: Final = (b"\xd6\xff", b"\xd7\xff", b"\xc7\x0c\xff")


def encode_value(value: Any) -> bytes:
    """Write a value as msgpack.

    Parameters
    ----------
    value
        None, a bool, an int of 64 bits, a float, text, bytes, a numpy array of bools, ints or
        floats, or lists and maps (with text as keys) of these. Numpy scalars become numbers and
        tuples become lists.

    Returns
    -------
    bytes
        What `decode_value` reads.

    Raises
    ------
    WireError
        If it is none of these or nested deeper than 32 levels.
    """
    try:
        data: bytes = msgpack.packb(_plain(value, MAX_DEPTH), default=_extension)
    except WireError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"The value cannot be written as msgpack ({error})") from None
    return data


def _plain(value: Any, depth: int) -> Any:
    """Refuse here what `decode_value` would refuse: keys that are not text, deep nesting."""
    if isinstance(value, dict):
        if depth == 0:
            raise WireError(f"Nested deeper than {MAX_DEPTH} levels")
        for key in value:
            if not isinstance(key, str):
                raise WireError(f"Expected `str` as a map's key, got `{type(key).__name__}`")
        return {key: _plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if depth == 0:
            raise WireError(f"Nested deeper than {MAX_DEPTH} levels")
        return [_plain(item, depth - 1) for item in value]
    return value


def _extension(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return msgpack.ExtType(ARRAY_EXTENSION, array_to_extension(value))
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return value.item()
    raise WireError(f"A `{type(value).__name__}` cannot be written as msgpack")


def decode_value(
    data: bytes | memoryview, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> Any:
    """Read one value from msgpack.

    Parameters
    ----------
    data
        The whole of it.
    max_bytes, max_depth
        What is refused for its size or its nesting.

    Returns
    -------
    object
        As for `encode_value`; arrays are read-only views over `data`.

    Raises
    ------
    WireError
        If it is malformed, cut off, followed by something else, too large or too deep, has a map
        with a repeated key or one that is not text, or an unknown extension type.
    """
    if len(data) > max_bytes:
        raise WireError(f"{len(data)} bytes exceed the limit of {max_bytes}")
    if max_depth > 0 and type(data) is bytes:
        fields = flat_map(data)
        if fields is not None:
            return fields
    view = memoryview(data).toreadonly()
    try:
        # Python for what is small or holds arrays, C for long lists and maps.
        return walk(view, max_depth, longest=16)
    except LongContainerError:
        pass
    if isinstance(data, bytes) and not any(mark in data for mark in _TIMESTAMPS):
        try:
            return _compiled(view, max_depth)
        except _ExtensionMetError:
            pass
    return walk(view, max_depth)


class _ExtensionMetError(Exception):
    """The compiled reader came across an extension, which it would copy."""


def _compiled(view: memoryview, max_depth: int) -> Any:
    hooks = _Hooks()
    try:
        end = _scan(view)
        # What follows is found below; here it would be copied into the exception.
        value = msgpack.unpackb(
            view[:end],
            strict_map_key=False,  # the hook checks more strictly
            ext_hook=hooks.extension,
            list_hook=hooks.list,
            object_pairs_hook=hooks.map,
        )
    except (WireError, _ExtensionMetError):
        raise
    except msgpack.OutOfData:
        raise WireError("The msgpack data ends early") from None
    except UnicodeDecodeError:
        raise WireError("Expected text in UTF-8, got other bytes") from None
    except (ValueError, msgpack.UnpackException):
        raise WireError("Malformed or too deeply nested msgpack data") from None
    if end != len(view):
        raise WireError(f"{len(view) - end} bytes follow the value")
    if hooks.containers > max_depth:
        check_nesting(value, max_depth)
    return value


def _scan(view: memoryview) -> int:
    """Where the first value ends; nothing is allocated for a count that the input does not hold."""
    scanner = msgpack.Unpacker(max_buffer_size=len(view))
    scanner.feed(view)
    scanner.skip()
    end: int = scanner.tell()
    return end


class _Hooks:
    """What the compiled reader calls; counts the containers."""

    def __init__(self) -> None:
        self.containers = 0

    def extension(self, code: int, content: bytes) -> Any:
        raise _ExtensionMetError

    def list(self, items: list[Any]) -> list[Any]:
        self._count()
        return items

    def map(self, pairs: Any) -> dict[str, Any]:
        self._count()
        return unique_map(pairs)

    def _count(self) -> None:
        self.containers += 1
        if self.containers > MAX_CONTAINERS:
            raise WireError(f"More than {MAX_CONTAINERS} lists and maps")
