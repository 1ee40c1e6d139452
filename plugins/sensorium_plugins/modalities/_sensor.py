"""What the sensor modalities share: how readings are decoded, and cut to the span of a set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sensorium.errors import PayloadError
from sensorium.plugin import Payload, PluginConfig, Samples
from sensorium_plugins.modalities._sampling import SampleClock

__all__ = ["SensorConfig", "clip", "decode_readings", "decode_stack"]

#: No physical reading comes near it, and squares of what is below it are finite in float32.
_LARGEST: Final = 1e18
_FLOAT32: Final = np.dtype(np.float32)
_READINGS: Final = (np.ndarray, list, tuple, int, float)


class SensorConfig(PluginConfig):
    """What comes from the sensor.

    Parameters
    ----------
    channels
        How many numbers one sample has: 3 for an accelerometer.
    rate
        Samples per second within a chunk.
    """

    channels: int = Field(ge=1)
    rate: float = Field(gt=0, le=1e9, allow_inf_nan=False)


def decode_readings(payload: Payload, channels: int) -> npt.NDArray[np.floating[Any]]:
    """Read a chunk of samples.

    Parameters
    ----------
    payload
        A numpy array or nested lists of shape (samples, channels); or one sample as a flat list
        of `channels` numbers; or, of a sensor with one channel, a flat list or a number.
    channels
        How many numbers a sample has.

    Returns
    -------
    array of shape (samples, channels)
        float32 as it came, else float64.

    Raises
    ------
    PayloadError
        If it is none of these, is empty, or holds a number that is not finite or beyond 1e18.
    """
    data = payload.data
    if (
        type(data) is np.ndarray
        and data.dtype == _FLOAT32
        and data.ndim == 2
        and data.shape[1] == channels
        and len(data)
    ):  # as devices send them
        return _finite(data)
    if not isinstance(data, _READINGS):
        raise PayloadError(
            f"a sensor chunk is an array or a list of numbers, not {type(data).__name__}"
        )
    try:
        array = np.asarray(data)
    except ValueError:
        raise PayloadError("the samples of the chunk differ in their number of channels") from None
    if array.dtype.kind not in "iuf":
        raise PayloadError(f"the chunk holds something that is not a number (dtype {array.dtype})")
    if array.dtype != _FLOAT32:
        array = array.astype(np.float64, copy=False)
    if array.ndim == 0 or (array.ndim == 1 and channels == 1):
        array = array.reshape(-1, 1)
    elif array.ndim == 1:
        array = array[np.newaxis]
    if array.ndim != 2 or array.shape[1] != channels or not len(array):
        raise PayloadError(
            f"the chunk has shape {np.shape(data)}; expected (samples, {channels}), as `channels` "
            f"of the stream is {channels}"
        )
    return _finite(array)


def decode_stack(
    arrays: npt.NDArray[Any], channels: int
) -> Sequence[npt.NDArray[np.float32]] | None:
    """Read many chunks of samples at once, as `decode_readings` reads each.

    Parameters
    ----------
    arrays
        Shape (chunks, samples, channels).
    channels
        How many numbers a sample has.

    Returns
    -------
    sequence or None
        The chunks; None where they are not float32 as they came, or one would be refused.
    """
    if arrays.dtype != _FLOAT32 or arrays.ndim != 3 or arrays.shape[2] != channels:
        return None
    if not arrays.shape[1] or not _is_finite(arrays):
        return None
    return list(arrays)


def _finite(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if not _is_finite(array):
        raise PayloadError("the chunk holds a number that is NaN, infinite or beyond 1e18")
    return array


def _is_finite(array: npt.NDArray[Any]) -> bool:
    # A small sum of squares, in one call, tells that all is well; where it is large, infinite or
    # NaN, the numbers are looked at. Comparing is False for NaN, so that finds it as well.
    return bool(np.vdot(array, array) < _LARGEST or (np.abs(array) <= _LARGEST).all())


def clip(item: Samples, clock: SampleClock) -> list[tuple[int, npt.NDArray[Any]]]:
    """Cut chunks to the samples taken within the span of the set, ``[start, end)``.

    A sample holds until the next is due. So where no sample was taken within the span, the one
    that holds at its start is given; and the chunks are given whole where the span is an instant
    (``start == end``), as it is for the policy `exact`.

    Parameters
    ----------
    item
        Chunks of shape (samples, channels) in the order of time.
    clock
        When the samples were taken.

    Returns
    -------
    list of (time, samples)
        Per chunk with samples in the span, the time of its first one there, in ns, and a view.

    Raises
    ------
    PayloadError
        If no sample was taken, or holds, within the span.
    """
    times = item.times.tolist()
    if item.start >= item.end:
        return list(zip(times, item.values, strict=True))
    pieces = []
    for time, chunk in zip(times, item.values, strict=True):
        stop = len(chunk)
        within = time + clock.elapsed(stop - 1) < item.end
        if within and time >= item.start:  # as most chunks are
            pieces.append((time, chunk))
            continue
        first = max(0, clock.first_from(item.start - time))
        if not within:
            stop = clock.first_from(item.end - time)
        if first < stop:
            pieces.append((time + clock.elapsed(first), chunk[first:stop]))
    return pieces or [_held(item, times, clock)]


def _held(item: Samples, times: list[int], clock: SampleClock) -> tuple[int, npt.NDArray[Any]]:
    """The latest sample that was taken before the span and still holds at its start."""
    for time, chunk in zip(reversed(times), reversed(item.values), strict=True):
        last = min(len(chunk), clock.first_from(item.start - time)) - 1
        if last >= 0 and time + clock.elapsed(last + 1) > item.start:
            return item.start, chunk[last : last + 1]
    raise PayloadError(
        f"none of the {len(times)} chunks has a sample within the set's span of "
        f"{item.end - item.start} ns; does the stream's `rate` agree with the events' duration?"
    )
