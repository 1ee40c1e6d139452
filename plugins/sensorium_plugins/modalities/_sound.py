"""Sound decoded, bounded in memory, joined per set and brought to one rate."""

from __future__ import annotations

import io
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from sensorium.errors import PayloadError
from sensorium.plugin import Payload, Samples
from sensorium_plugins._extras import import_audio

__all__ = ["Sound", "decode_sound", "join_sounds"]

_SECOND: Final = 1_000_000_000
#: Chunks this near to each other are one recording: the clocks of recorders jitter.
_JITTER: Final = 20_000_000
#: Formats of files; others of the library are code that reads what a stranger wrote.
_FORMATS: Final = frozenset({"WAV", "WAVEX", "FLAC"})
#: More than any recorder has; they bound what a header can make the decoder allocate.
_CHANNELS: Final = 16
_FASTEST: Final = 768_000
_BLOCK: Final = 1 << 16
_PCM: Final = {"audio/pcm": "<i2", "audio/l16": ">i2"}


class Sound(NamedTuple):
    """A chunk of sound with one channel.

    Parameters
    ----------
    rate
        Samples per second.
    samples
        float32 of shape (samples,), from -1 to 1.
    """

    rate: int
    samples: npt.NDArray[np.float32]


def decode_sound(payload: Payload, rate: int, max_seconds: float, needed_by: str) -> Sound:
    """Read a chunk of sound; several channels become their mean.

    Parameters
    ----------
    payload
        A WAV or FLAC file as bytes; raw samples as bytes, with the content type ``audio/pcm``
        (16 bits, little-endian) or ``audio/l16`` (big-endian, RFC 2586); or an array of shape
        (samples,) or (samples, channels): integers, or floats from -1 to 1.
    rate
        Samples per second of what is no file.
    max_seconds
        Longer chunks are refused before they are decoded.
    needed_by
        The plugin, for the message where a package is missing.

    Raises
    ------
    MissingExtraError
        If soundfile is needed and not installed.
    PayloadError
        If it is none of these, is damaged, empty, or too long.
    """
    data = payload.data
    media = (payload.content_type or "").partition(";")[0].strip().lower()
    if isinstance(data, bytes | bytearray | memoryview):
        if media not in _PCM:
            return _read_file(bytes(data), max_seconds, needed_by)
        if len(data) % 2:
            raise PayloadError(f"{len(data)} bytes are no whole number of samples of 16 bits")
        data = np.frombuffer(data, dtype=_PCM[media])
    if not isinstance(data, np.ndarray):
        raise PayloadError(
            f"sound is the bytes of a WAV or FLAC file, or an array, not {type(data).__name__}"
        )
    if data.ndim not in (1, 2) or not data.size:
        raise PayloadError(f"the sound has shape {data.shape}; expected (samples[, channels])")
    _check_length(len(data), rate, max_seconds)
    return _sound(_from_one_to_one(data), rate)


def _read_file(data: bytes, max_seconds: float, needed_by: str) -> Sound:
    soundfile = import_audio("soundfile", needed_by)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.format not in _FORMATS:
                raise PayloadError(f"the sound is {file.format}, not WAV or FLAC")
            rate = int(file.samplerate)
            if file.channels > _CHANNELS or rate > _FASTEST:
                raise PayloadError(
                    f"the sound has {file.channels} channels at {rate} Hz; at most {_CHANNELS} at "
                    f"{_FASTEST} Hz are taken"
                )
            _check_length(int(file.frames), rate, max_seconds)
            # In blocks: what the header says of the length may be wrong by any factor.
            blocks, count = [], 0
            while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block.mean(axis=1))
                count += len(block)
                _check_length(count, rate, max_seconds)
    except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError) as error:
        raise PayloadError(f"the bytes are no WAV or FLAC that can be read: {error}") from None
    if not blocks:
        raise PayloadError("the sound has no samples")
    return _sound(np.concatenate(blocks), rate)


def _check_length(samples: int, rate: int, max_seconds: float) -> None:
    if rate < 1 or samples > rate * max_seconds:
        raise PayloadError(
            f"the sound has {samples} samples at {rate} Hz; the stream's `max_seconds` is "
            f"{max_seconds:g}"
        )


def _from_one_to_one(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    if array.dtype.kind == "i":
        scaled: npt.NDArray[np.float32] = (array / -float(np.iinfo(array.dtype).min)).astype(
            np.float32
        )
        return scaled
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    raise PayloadError(f"sound is of signed integers or floats, not {array.dtype}")


def _sound(samples: npt.NDArray[np.float32], rate: int) -> Sound:
    one = samples.mean(axis=1) if samples.ndim == 2 else samples
    # Comparing is False for NaN, so this finds what is not a number as well.
    if not (np.abs(one) <= 1e3).all():
        raise PayloadError("the sound holds a number that is NaN, infinite or beyond 1000")
    return Sound(rate, np.ascontiguousarray(one, dtype=np.float32))


def join_sounds(
    item: Samples, rate: int, length: int, needed_by: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Put the chunks of a set where they belong, at one rate.

    Chunks that follow each other are joined before they are resampled, so that there is no click
    between them. The result begins with the set's span, or, where that is an instant, with the
    first chunk; of a span longer than the result the end is kept.

    Parameters
    ----------
    item
        Chunks of `Sound`.
    rate
        Samples per second of the result.
    length
        Its samples.
    needed_by
        The plugin, for the message where a package is missing.

    Returns
    -------
    (samples, there)
        Both of shape (length,): 0 where nothing is, and whether something is.
    """
    samples, there = np.zeros(length, dtype=np.float32), np.zeros(length, dtype=np.bool_)
    anchor = int(item.times[0])
    if item.start < item.end:
        anchor = max(item.start, item.end - round(length * _SECOND / rate))
    for time, sound in _runs(item):
        resampled = sound.samples
        if sound.rate != rate:
            soxr = import_audio("soxr", needed_by)
            resampled = soxr.resample(resampled, sound.rate, rate)
        at = round((time - anchor) * rate / _SECOND)
        first, stop = max(0, -at), min(len(resampled), length - at)
        if first < stop:
            samples[at + first : at + stop] = resampled[first:stop]
            there[at + first : at + stop] = True
    return samples, there


def _runs(item: Samples) -> list[tuple[int, Sound]]:
    """Chunks joined where one begins as the other ends."""
    runs: list[tuple[int, int, list[npt.NDArray[np.float32]]]] = []
    due = 0
    for time, sound in zip(item.times.tolist(), item.values, strict=True):
        joins = runs and runs[-1][1] == sound.rate and abs(time - due) <= _JITTER
        if joins:
            runs[-1][2].append(sound.samples)
            due += len(sound.samples) * _SECOND // sound.rate
        else:
            runs.append((time, sound.rate, [sound.samples]))
            due = time + len(sound.samples) * _SECOND // sound.rate
    return [(time, Sound(rate, np.concatenate(parts))) for time, rate, parts in runs]
