"""Numpy arrays as a msgpack extension type, read without copying.

The content of the extension, integers little-endian::

    byte 0      kind: b (bool), i (int), u (unsigned int), f (float), as ASCII
    byte 1      bytes per element: 1, 2, 4 or 8
    byte 2      byte order: < or >, as ASCII
    byte 3      number of dimensions n, at most 32
    n x uint32  the shape
    the rest    the elements in C order
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.errors import WireError

__all__ = ["ARRAY_EXTENSION", "array_from_extension", "array_to_extension", "read_header"]

#: The code of the extension type.
ARRAY_EXTENSION: Final = 1

_MAX_DIMENSIONS: Final = 32
_SIZES: Final = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8)}
#: Per first three bytes (kind, bytes per element, byte order), the dtype.
_DTYPES: Final = {
    kind.encode() + bytes([size]) + order.encode(): np.dtype(f"{order}{kind}{size}")
    for kind, sizes in _SIZES.items()
    for size in sizes
    for order in "<>"
}


def array_to_extension(array: npt.NDArray[Any], field: str = "$") -> bytes:
    """Write an array; elements are written little-endian and in C order.

    Raises
    ------
    WireError
        If its dtype is not bool, int, uint or float of 16 to 64 bits, or its shape is too large.
    """
    kind, size = array.dtype.kind, array.dtype.itemsize
    if size not in _SIZES.get(kind, ()):
        raise WireError(
            f"An array of dtype {array.dtype} cannot be written; use bool, int, uint or float",
            field=field,
        )
    if array.ndim > _MAX_DIMENSIONS or any(length >= 2**32 for length in array.shape):
        raise WireError(f"An array of shape {array.shape} cannot be written", field=field)
    header = struct.pack(f"<cBcB{array.ndim}I", kind.encode(), size, b"<", array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes("C")


def array_from_extension(content: memoryview) -> npt.NDArray[Any]:
    """Read an array as a read-only view over `content`.

    The elements need not be aligned; numpy reads them where they are. Only big-endian elements on
    a little-endian machine (or the reverse) are copied, into native order.

    Parameters
    ----------
    content
        The content of the extension; read-only.

    Raises
    ------
    WireError
        If it is malformed, or its shape does not fit its length.
    """
    if len(content) < 4:
        raise WireError("The array's header is cut off", field="$")
    start = 4 + 4 * content[3]
    dtype, shape, expected = read_header(bytes(content[:start]))
    if len(content) - start != expected:
        raise WireError(
            f"Expected {expected} bytes for an array of shape {list(shape)} and dtype {dtype}, "
            f"got {len(content) - start}",
            field="$",
        )
    try:
        array: npt.NDArray[Any] = np.ndarray(shape, dtype, content, start)
    except ValueError:  # an empty array whose other lengths are absurd
        raise WireError(f"An array of shape {list(shape)} cannot be read", field="$") from None
    if dtype.kind == "b" and np.any(array.view(np.uint8) > 1):
        raise WireError("Expected bools of 0 or 1 in the array, got another value", field="$")
    if not dtype.isnative:
        array = array.astype(dtype.newbyteorder("="))
        array.flags.writeable = False
    return array


@lru_cache(maxsize=1024)  # a stream's chunks are of one shape, or of few
def read_header(header: bytes) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """The dtype and the shape of an array, and how many bytes of elements they make.

    Raises
    ------
    WireError
        If the header is malformed.
    """
    dtype, dimensions = _DTYPES.get(header[:3]), header[3]
    if dtype is None:
        raise WireError(
            "Expected an array of bool, int, uint or float of 16 to 64 bits, got another dtype",
            field="$",
        )
    if dimensions > _MAX_DIMENSIONS:
        raise WireError(f"An array of {dimensions} dimensions has more than 32", field="$")
    if len(header) < 4 + 4 * dimensions:
        raise WireError("The array's shape is cut off", field="$")
    shape = struct.unpack_from(f"<{dimensions}I", header, 4)
    return dtype, shape, math.prod(shape) * dtype.itemsize
