"""Video decoded, bounded in time and memory: some frames of a chunk, brought to one size."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from sensorium.errors import PayloadError
from sensorium.plugin import Payload
from sensorium_plugins._extras import import_video
from sensorium_plugins.modalities._pictures import decode_picture

__all__ = ["Clip", "ClipLimits", "decode_clip"]

_SECOND: Final = 1_000_000_000
_FORMATS: Final = {1: "gray", 3: "rgb24"}


class Clip(NamedTuple):
    """The frames that were kept of a chunk.

    Parameters
    ----------
    frames
        uint8 of shape (frames, height, width, channels), read-only.
    offsets
        int64, shape (frames,): when each is shown after the chunk's begin, in ns.
    duration
        How long the chunk lasts, in ns.
    """

    frames: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    duration: int


class ClipLimits(NamedTuple):
    """What is taken, and what becomes of it.

    Parameters
    ----------
    size, channels
        Height and width of the frames, and 1 for grey or 3 for colours.
    keep
        Of more frames than these, as many are kept, evenly spread.
    rate
        Frames per second where the payload does not say.
    max_frames, max_pixels
        Of the chunk, and of a frame; more are refused.
    """

    size: tuple[int, int]
    channels: int
    keep: int
    rate: float
    max_frames: int
    max_pixels: int


def decode_clip(payload: Payload, limits: ClipLimits, needed_by: str) -> Clip:
    """Read a chunk of video.

    Parameters
    ----------
    payload
        The bytes of an MP4 (MOV) or Matroska (WebM) file; a list of images, each the bytes of a
        JPEG or PNG; or an array of shape (frames, height, width) or (frames, height, width,
        channels), as `decode_picture` takes one.
    limits
        What is taken.
    needed_by
        The plugin, for the message where PyAV is missing.

    Raises
    ------
    MissingExtraError
        If PyAV, or Pillow for images, is not installed.
    PayloadError
        If it is none of these, is damaged, or exceeds a limit.
    """
    data = payload.data
    if isinstance(data, bytes | bytearray | memoryview):
        times, frames = _of_file(bytes(data), limits, needed_by)
    elif (isinstance(data, np.ndarray) and data.ndim in (3, 4)) or isinstance(data, list):
        if not 0 < len(data) <= limits.max_frames:
            raise PayloadError(
                f"the chunk has {len(data)} frames; it must be 1 to {limits.max_frames} "
                "(the stream's `max_frames`)"
            )
        times = [round(at * _SECOND / limits.rate) for at in range(len(data))]
        frames = [
            decode_picture(
                Payload(data[at]), limits.size, limits.channels, limits.max_pixels, needed_by
            )
            for at in _spread(len(data), limits.keep)
        ]
    else:
        raise PayloadError(
            "video is the bytes of an MP4 or Matroska file, a list of JPEG or PNG images, or an "
            f"array of frames, not {type(data).__name__}"
        )
    kept = _spread(len(times), limits.keep)
    if len(frames) == len(times):
        frames = [frames[at] for at in kept]
    stacked = np.stack(frames)
    stacked.setflags(write=False)
    last = times[-1] - times[-2] if len(times) > 1 else round(_SECOND / limits.rate)
    offsets = np.array([times[at] - times[0] for at in kept], dtype=np.int64)
    return Clip(stacked, offsets, times[-1] - times[0] + last)


def _of_file(
    data: bytes, limits: ClipLimits, needed_by: str
) -> tuple[list[int], list[npt.NDArray[np.uint8]]]:
    av = import_video(needed_by)
    times: list[int] = []
    frames: list[npt.NDArray[np.uint8]] = []
    try:
        with av.open(io.BytesIO(data), format=_container(data)) as opened:
            for frame in _frames(opened, limits):
                times.append(round(float(frame.time or 0) * _SECOND))
                frames.append(_resized(frame, limits))
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise PayloadError(f"the video cannot be read: {error}") from None
    if not frames:
        raise PayloadError("the video has no frame")
    if any(later <= earlier for earlier, later in pairwise(times)):  # the file has no times
        times = [round(at * _SECOND / limits.rate) for at in range(len(frames))]
    return times, frames


def _container(data: bytes) -> str:
    """The one format that is tried: every one is code that reads what a stranger wrote."""
    if data[4:8] == b"ftyp":
        return "mov"
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    raise PayloadError("the bytes are no MP4 (MOV) and no Matroska (WebM) file")


def _frames(opened: Any, limits: ClipLimits) -> Iterator[Any]:
    if not opened.streams.video:
        raise PayloadError("the file has no video stream")
    stream = opened.streams.video[0]
    # The pixels of a frame are known before the first is decoded.
    pixels = stream.codec_context.width * stream.codec_context.height
    if not 0 < pixels <= limits.max_pixels:
        raise PayloadError(
            f"the video has {pixels} pixels a frame; the stream's `max_pixels` is "
            f"{limits.max_pixels}"
        )
    for number, frame in enumerate(opened.decode(stream)):
        if number == limits.max_frames:
            raise PayloadError(
                f"the video has more than {limits.max_frames} frames (the stream's `max_frames`)"
            )
        yield frame


def _resized(frame: Any, limits: ClipLimits) -> npt.NDArray[np.uint8]:
    height, width = limits.size
    small = frame.reformat(width=width, height=height, format=_FORMATS[limits.channels])
    pixels: npt.NDArray[np.uint8] = small.to_ndarray().reshape(height, width, limits.channels)
    return pixels


def _spread(count: int, keep: int) -> list[int]:
    """Of so many, the places of those that are kept: evenly spread, each in the middle of its
    share."""
    if count <= keep:
        return list(range(count))
    return [(2 * at + 1) * count // (2 * keep) for at in range(keep)]
