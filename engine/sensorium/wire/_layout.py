"""Envelopes whose bytes are laid out as those of one that was read before.

A producer writes the same fields in the same order again and again: between two of its envelopes
only the key, the time and the elements of the array differ. msgpack is read from left to right, so
where all other bytes are equal, what was found about them once holds again: they are compared, and
not read anew.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.plugin import Payload, Record
from sensorium.wire._arrays import read_header
from sensorium.wire._checks import INT64_MAX
from sensorium.wire._envelope import Envelope

__all__ = ["Layout", "Stack", "layout_of"]

#: A time of this century is written as an unsigned number of 64 bits.
_TIME: Final = 0xCF
#: Per head byte of an extension, how many bytes hold its length.
_EXTENSIONS: Final = {0xC7: 1, 0xC8: 2, 0xC9: 4}
#: Per head byte of a number, how many bytes it has.
_NUMBERS: Final = {
    0xCA: 4, 0xCB: 8,  # floats
    0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8,  # unsigned
    0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,  # signed
}  # fmt: skip
_CONSTANTS: Final = frozenset({0xC0, 0xC2, 0xC3})
_VARYING: Final = frozenset({"key", "time", "data"})


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of an envelope lie that differ, and what the others say.

    Parameters
    ----------
    head, middle, tail
        The bytes before the key, between key and time, and between the time and the elements.
    parts
        Cuts the bytes before the elements into `head`, key, `middle`, time and `tail`.
    stream, content_type, duration
        As of `Envelope`.
    shape, dtype
        Of the array.
    """

    head: bytes
    middle: bytes
    tail: bytes
    parts: struct.Struct
    stream: str | None
    content_type: str | None
    duration: int | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def read(self, record: Record, data: bytes) -> Envelope | None:
        """Read an envelope of the length of the one that the layout is of.

        Returns
        -------
        Envelope or None
            What `read_envelope` gives; None where that has to look: `data` is laid out in
            another way, or there is something wrong with it.
        """
        head, key, middle, time, tail = self.parts.unpack_from(data)
        if head != self.head or middle != self.middle or tail != self.tail or time > INT64_MAX:
            return None
        try:
            key = key.decode()
        except UnicodeDecodeError:
            return None
        array: Any = np.ndarray(self.shape, self.dtype, data, self.parts.size)
        payload = Payload(array, self.content_type, record.headers)
        return Envelope(self.stream, key, time, payload, None, self.duration)

    def stack(self, data: Sequence[bytes]) -> Stack:
        """Read many envelopes of the length of the one that the layout is of, all at once.

        Parameters
        ----------
        data
            At least one.

        Returns
        -------
        Stack
            Those of which `read` gives an envelope, with what it gives.
        """
        rows: list[int] = []
        keys: list[str] = []
        times: list[int] = []
        elements: list[bytes] = []
        cut, first = self.parts.unpack_from, self.parts.size
        for row, one in enumerate(data):
            # As in `read`, without its call for each.
            head, key, middle, time, tail = cut(one)
            if head != self.head or middle != self.middle or tail != self.tail or time > INT64_MAX:
                continue
            try:
                keys.append(key.decode())
            except UnicodeDecodeError:
                continue
            rows.append(row)
            times.append(time)
            elements.append(one[first:])
        # One buffer: aligned, and free of the bytes of what is not in it.
        together = b"".join(elements)
        arrays = np.frombuffer(together, self.dtype) if together else np.empty(0, self.dtype)
        arrays = arrays.reshape(len(rows), *self.shape)
        return Stack(rows, keys, times, arrays)


@dataclass(frozen=True, slots=True)
class Stack:
    """Envelopes of one layout, which differ in key, time and array.

    Parameters
    ----------
    rows
        Which of those that were asked for.
    keys, times
        Of each.
    arrays
        Shape (rows, ...): the array of each; read-only.
    """

    rows: list[int]
    keys: list[str]
    times: list[int]
    arrays: npt.NDArray[Any]


def layout_of(data: bytes, envelope: Envelope) -> Layout | None:
    """The layout of an envelope that has been read from `data` without a fault.

    Returns
    -------
    Layout or None
        None where it would not help: there is more that differs between envelopes than the key,
        the time and an array at the end, or the array is not read as it lies there.
    """
    places = _places(data)
    if places is None or "id" in places or not places.keys() >= _VARYING:
        return None
    key_at, key_end = places["key"]
    time_at, time_end = places["time"]
    array_at, end = places["data"]
    in_order = key_end < time_at and time_end < array_at and end == len(data)
    is_array = isinstance(envelope.payload.data, np.ndarray)
    if not in_order or not is_array or data[time_at - 1] != _TIME:
        return None
    elements = array_at + 4 + 4 * data[array_at + 3]
    dtype, shape, _ = read_header(data[array_at:elements])
    if dtype.kind == "b" or not dtype.isnative:  # to be looked at, or copied
        return None
    head, middle, tail = data[:key_at], data[key_end:time_at], data[time_end:elements]
    return Layout(
        head=head,
        middle=middle,
        tail=tail,
        parts=struct.Struct(f">{key_at}s{key_end - key_at}s{len(middle)}sQ{len(tail)}s"),
        stream=envelope.stream,
        content_type=envelope.payload.content_type,
        duration=envelope.duration,
        shape=shape,
        dtype=dtype,
    )


def _places(data: bytes) -> dict[str, tuple[int, int]] | None:
    """Where the content of each field begins and ends; None where one is not short or not flat.

    `data` is a sound map with text as keys.
    """
    if not 0x81 <= data[0] <= 0x8F:
        return None
    places: dict[str, tuple[int, int]] = {}
    at = 1
    for _ in range(data[0] & 0x0F):
        name = _content(data, at)
        value = name and _content(data, name[1])
        if not name or not value:
            return None
        places[data[slice(*name)].decode()] = value
        at = value[1]
    return places


def _content(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the content of a value begins and ends, without its head."""
    head = data[at]
    start = at + 1
    if 0xA0 <= head < 0xC0:
        return start, start + (head & 0x1F)
    if head < 0x80 or head >= 0xE0 or head in _CONSTANTS:
        return start, start
    if head in _NUMBERS:
        return start, start + _NUMBERS[head]
    if head in _EXTENSIONS:
        width = _EXTENSIONS[head]
        length = int.from_bytes(data[start : start + width])
        start += width + 1
        return start, start + length
    return None
