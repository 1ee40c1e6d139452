"""Real speech as the demo plays it: WAV files named by what is said in them."""

from __future__ import annotations

import importlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from sensorium.demo._damage import Damage
from sensorium.demo._recording import write_log
from sensorium.demo._scene import EPOCH, Decode, Scene
from sensorium.errors import ConfigError, MissingExtraError
from sensorium.events import AlignedSet, Event
from sensorium.plugin import Payload
from sensorium.wire import Envelope

__all__ = ["SpokenScene"]

_SECOND: Final = 1_000_000_000
_NAME: Final = re.compile(r"[0-9]_[^_]+_[^_]+\.wav")


class _Said(NamedTuple):
    """A second of the scene: the digit, the speaker, the sound, and how long it is in ns."""

    digit: str
    speaker: str
    sound: Payload
    lasts: int


class SpokenScene(Scene):
    """Files named ``digit_speaker_index.wav``, one a second, of which nothing is seen or typed.

    Parameters
    ----------
    folder
        The folder of the files. Of one that is longer than a second, the second with the most
        power is taken.

    Raises
    ------
    ConfigError
        If the folder has no file with such a name, or one that cannot be read.
    MissingExtraError
        If soundfile is not installed.
    """

    def __init__(self, folder: Path) -> None:
        files = [it for it in sorted(folder.glob("*.wav")) if _NAME.fullmatch(it.name)]
        if not files:
            raise ConfigError(f"{folder} has no file named digit_speaker_index.wav, as 7_ann_0.wav")
        self._folder = folder
        self._said = [_said(file) for file in files]

    @property
    def introduction(self) -> str:
        """How many files of how many people there are."""
        people = len({said.speaker for said in self._said})
        return f"{len(self._said)} files of {people} people in {self._folder}; nothing is seen"

    @property
    def start(self) -> int:
        """The same on every day."""
        return EPOCH

    def record(self, path: Path, damage: Damage) -> int:
        """Topics ``digits.microphone`` and ``truth``; nothing goes wrong."""
        rows = []
        for at, (digit, speaker, sound, lasts) in enumerate(self._said):
            time = EPOCH + at * _SECOND
            rows.append((time, "truth", Envelope(None, speaker, time, Payload({"digit": digit}))))
            heard = Envelope(None, speaker, time, sound, duration=lasts)
            rows.append((time + lasts, "digits.microphone", heard))
        return write_log(path, rows)

    def truth(self, key: str, time: int) -> str:
        """The digit that the file's name says."""
        return self._said[(time - EPOCH) // _SECOND].digit

    def perfect(self, size: int, hop: int, decode: Decode) -> Iterator[tuple[str, AlignedSet]]:
        """A set per file."""
        for at, (digit, speaker, sound, lasts) in enumerate(self._said):
            time, value = EPOCH + at * _SECOND, decode("microphone", sound)
            event = Event("microphone", speaker, time, value, duration=lasts)
            members = {"microphone": (event,)}
            yield digit, AlignedSet(speaker, time, members, start=time, end=time + size)


def _said(file: Path) -> _Said:
    digit, speaker, _ = file.stem.split("_")
    return _Said(digit, speaker, *_sound(file))


def _sound(file: Path) -> tuple[Payload, int]:
    """At most a second of a file, as a file, and how long it lasts in ns."""
    try:
        soundfile: Any = importlib.import_module("soundfile")
    except ModuleNotFoundError as error:
        raise MissingExtraError("real speech", "soundfile", "digits") from error
    try:
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    said = _loudest(samples.mean(axis=1), rate)
    if not len(said):
        raise ConfigError(f"{file} is empty")
    out = io.BytesIO()
    soundfile.write(out, said, rate, format="WAV")
    return Payload(out.getvalue(), "audio/wav"), len(said) * _SECOND // rate


def _loudest(samples: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    """The `size` samples in a row with the most power; all, if there are no more."""
    if len(samples) <= size:
        return samples
    power = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    start = int(np.argmax(power[size:] - power[:-size]))
    return samples[start : start + size]
