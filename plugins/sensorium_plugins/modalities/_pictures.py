"""Images decoded, bounded in memory, and brought to one size."""

from __future__ import annotations

import io
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.errors import PayloadError
from sensorium.plugin import Payload
from sensorium_plugins._extras import import_pillow

__all__ = ["decode_picture"]

_MODES: Final = {1: "L", 3: "RGB"}
#: What Pillow may try: every format is code that reads what a stranger wrote.
_FORMATS: Final = ("JPEG", "PNG")


def decode_picture(
    payload: Payload, size: tuple[int, int], channels: int, max_pixels: int, needed_by: str
) -> npt.NDArray[np.uint8]:
    """Read an image and resize it.

    Parameters
    ----------
    payload
        A JPEG or PNG, as bytes; or an array of shape (height, width) or (height, width, channels)
        with 1, 3 or 4 channels: uint8, or floats from 0 to 1.
    size
        Height and width of the result.
    channels
        1 for grey, 3 for colours.
    max_pixels
        Images of more are refused before their pixels are decoded.
    needed_by
        The plugin, for the message where Pillow is missing.

    Returns
    -------
    array of shape (height, width, channels)
        Read-only.

    Raises
    ------
    MissingExtraError
        If Pillow is not installed.
    PayloadError
        If it is no such image, is damaged, or has too many pixels.
    """
    pillow = import_pillow(needed_by)
    data = payload.data
    if isinstance(data, np.ndarray):
        image = pillow.fromarray(_pixels(data, max_pixels))
    elif isinstance(data, bytes | bytearray | memoryview):
        image = _open(pillow, bytes(data), size, max_pixels)
    else:
        raise PayloadError(
            f"an image is the bytes of a JPEG or PNG, or an array, not {type(data).__name__}"
        )
    try:
        image = image.convert(_MODES[channels])
        if image.size != size[::-1]:
            image = image.resize(size[::-1], pillow.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError) as error:
        raise PayloadError(f"the image is damaged: {error}") from None
    pixels = np.array(image, dtype=np.uint8).reshape(*size, channels)
    pixels.setflags(write=False)
    return pixels


def _open(pillow: Any, data: bytes, size: tuple[int, int], max_pixels: int) -> Any:
    try:
        image = pillow.open(io.BytesIO(data), formats=_FORMATS)
        _check_size(image.height, image.width, max_pixels)
        # A JPEG is decoded at a fraction of its size where that is enough.
        image.draft(None, size[::-1])
        image.load()
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise PayloadError(f"the image has too many pixels: {error}") from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise PayloadError(f"the bytes are no JPEG or PNG that can be read: {error}") from None
    return image


def _pixels(array: npt.NDArray[Any], max_pixels: int) -> npt.NDArray[np.uint8]:
    """A raw array as Pillow takes it."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise PayloadError(
            f"the image has shape {array.shape}; expected (height, width) or (height, width, "
            f"channels) with 1, 3 or 4 channels"
        )
    _check_size(array.shape[0], array.shape[1], max_pixels)
    if array.dtype.kind == "f":
        # Comparing is False for NaN, so this finds what is not a number as well.
        if not ((array >= 0) & (array <= 1)).all():
            raise PayloadError("an image of floats holds a number that is not from 0 to 1")
        array = np.rint(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise PayloadError(f"an image is of uint8 or of floats from 0 to 1, not {array.dtype}")
    return np.ascontiguousarray(array)


def _check_size(height: int, width: int, max_pixels: int) -> None:
    if height < 1 or width < 1:
        raise PayloadError(f"the image has {height} x {width} pixels")
    if height * width > max_pixels:
        raise PayloadError(
            f"the image has {height} x {width} pixels; the stream's `max_pixels` is {max_pixels}"
        )
