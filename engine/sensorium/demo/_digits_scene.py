"""Sessions of digits as the demo plays them, one digit a second of the common clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sensorium.demo._damage import Damage, Mishaps
from sensorium.demo._digits import RATE, Session, sessions
from sensorium.demo._recording import Logged, write_log
from sensorium.demo._scene import EPOCH, Decode, Scene
from sensorium.demo._swaps import Swaps
from sensorium.events import AlignedSet, Event
from sensorium.plugin import Payload
from sensorium.wire import Envelope

__all__ = ["DigitsScene", "digits_to_train_on", "unseen_digits"]

_SECOND: Final = 1_000_000_000
#: How many sessions are held at once.
_ROOMS: Final = 8
#: A microphone sends its sound in so many chunks a second.
_CHUNKS: Final = 4
#: When in its second, in ns, an image is sent, and a guess is typed.
_SHOWN: Final = (50_000_000, 400_000_000)
_TYPED: Final = (400_000_000, 950_000_000)
#: Which part of the scene a stream of random numbers is for.
_PLACES, _SENT = range(2)
_STREAMS: Final = ("camera", "microphone", "chat")


@dataclass(frozen=True, slots=True)
class _Held:
    """A session and when it begins, in ns since the epoch, on a whole second."""

    session: Session
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.session.digits) * _SECOND


class DigitsScene(Scene):
    """Sessions, several at once.

    Parameters
    ----------
    given
        The sessions.
    seed
        What makes times and damage reproducible.
    """

    def __init__(self, given: Sequence[Session], seed: int) -> None:
        self._seed = seed
        rng = np.random.default_rng([seed, _PLACES])
        free = [EPOCH + int(rng.integers(1, 10)) * _SECOND for _ in range(_ROOMS)]
        self._held: list[_Held] = []
        for session in given:
            room = int(np.argmin(free))
            held = _Held(session, free[room])
            self._held.append(held)
            free[room] = held.end + int(rng.integers(1, 5)) * _SECOND
        self._held.sort(key=lambda held: held.start)
        self._by_key = {held.session.key: held for held in self._held}

    @property
    def introduction(self) -> str:
        """How many digits there are."""
        digits = sum(len(held.session.digits) for held in self._held)
        return (
            f"{len(self._held)} sessions, {digits} digits; neither their images nor their "
            "voices were trained on"
        )

    @property
    def start(self) -> int:
        """When the first session begins."""
        return self._held[0].start

    def record(self, path: Path, damage: Damage) -> int:
        """Topics ``digits.camera``, ``digits.microphone``, ``digits.chat``, and ``truth``."""
        logged: list[Logged] = []
        swaps = Swaps([(it.start, it.end, it.session.key) for it in self._held], self._seed)
        for index, held in enumerate(self._held):
            for at, digit in enumerate(held.session.digits):
                time = held.start + at * _SECOND
                truth = {"digit": str(digit), "louder": held.session.louder[at]}
                said = Envelope(None, held.session.key, time, Payload(truth))
                logged.append((time, "truth", said))
            for number, stream in enumerate(_STREAMS):
                rng = np.random.default_rng([self._seed, _SENT, index, number])
                times, losses, delays = rng.spawn(3)
                mishaps = Mishaps(damage, held.start, held.end, losses, delays)
                for time, lasts, payload in _sent(held, stream, times):
                    arrived = mishaps.arrival(time, time + lasts)
                    if arrived is None:
                        continue
                    key = held.session.key
                    if damage.shuffle_keys and stream == "microphone":
                        key = swaps.instead(key, time)
                    envelope = Envelope(None, key, time, payload, duration=lasts)
                    logged.append((arrived, f"digits.{stream}", envelope))
        return write_log(path, logged)

    def truth(self, key: str, time: int) -> str:
        """The digit of that second."""
        held = self._by_key[key]
        return str(held.session.digits[(time - held.start) // _SECOND])

    def perfect(self, size: int, hop: int, decode: Decode) -> Iterator[tuple[str, AlignedSet]]:
        """A set per digit, which is what a window of a second holds.

        Raises
        ------
        ValueError
            If the windows are others.
        """
        if (size, hop) != (_SECOND, _SECOND):
            raise ValueError("the digits are one a second: the windows must be, too")
        for held in self._held:
            session = held.session
            for at, digit in enumerate(session.digits):
                payloads = {
                    "camera": Payload(session.images[at]),
                    "microphone": Payload(session.sounds[at]),
                }
                if (guess := session.guesses[at]) is not None:
                    payloads["chat"] = Payload(guess)
                time = held.start + at * _SECOND
                members = {
                    name: (
                        Event(name, session.key, time, decode(name, payload),
                              duration=_SECOND if name == "microphone" else 0),
                    )
                    for name, payload in payloads.items()
                }  # fmt: skip
                yield (
                    str(digit),
                    AlignedSet(session.key, time, members, start=time, end=time + size),
                )


def unseen_digits(seed: int) -> DigitsScene:
    """800 digits, of images and voices that are kept from training."""
    return DigitsScene(list(sessions(40, 20, seed, held_out=True)), seed)


def digits_to_train_on(folder: Path, seed: int) -> list[Path]:
    """A recording of 6,000 others."""
    path = folder / "digits.mcap"
    DigitsScene(list(sessions(300, 20, seed, held_out=False)), seed).record(path, Damage())
    return [path]


def _sent(held: _Held, stream: str, rng: np.random.Generator) -> Iterator[tuple[int, int, Payload]]:
    """What one device sends: when, for how long, in ns, and what."""
    session = held.session
    for at in range(len(session.digits)):
        second = held.start + at * _SECOND
        if stream == "camera":
            yield second + int(rng.integers(*_SHOWN)), 0, Payload(session.images[at])
        elif stream == "microphone":
            step, size = _SECOND // _CHUNKS, RATE // _CHUNKS
            for chunk in range(_CHUNKS):
                samples = session.sounds[at][chunk * size : (chunk + 1) * size]
                yield second + chunk * step, step, Payload(samples)
        else:
            # Drawn in any case, so that a guess that is absent moves no other.
            typed, guess = second + int(rng.integers(*_TYPED)), session.guesses[at]
            if guess is not None:
                yield typed, 0, Payload(guess)
