"""The trials laid out in time, as a room of people with watches would send them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium.demo._damage import Damage, Mishaps
from sensorium.demo._scene import EPOCH
from sensorium.demo._swaps import Swaps
from sensorium.demo._watch import PERIOD, Trial

__all__ = ["Chunk", "Placed", "chunks", "place"]

_SECOND: Final = 1_000_000_000
#: How many watches are worn at once.
_DEVICES: Final = 8
_CHUNK: Final = (10, 26)
#: Which part of the demo a stream of random numbers is for.
_PLACES, _CHUNKS = range(2)


@dataclass(frozen=True, slots=True)
class Placed:
    """A trial and when it begins, in ns since the epoch."""

    trial: Trial
    start: int

    @property
    def end(self) -> int:
        """When its last sample ceases to hold."""
        return self.start + len(self.trial) * PERIOD


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some samples that a device sends at once.

    Parameters
    ----------
    stream, key
        Of which stream and, as it says, of which device.
    time, duration
        Event time of the first sample and how long the samples last, in ns.
    arrived
        When the log takes it, in ns since the epoch.
    samples
        float32 of shape (samples, 3).
    """

    stream: str
    key: str
    time: int
    duration: int
    arrived: int
    samples: npt.NDArray[np.float32]


def place(trials: Sequence[Trial], seed: int) -> list[Placed]:
    """Lay trials out in time, several at once, each beginning at any nanosecond.

    Returns
    -------
    list
        In the order of their starts.
    """
    rng = np.random.default_rng([seed, _PLACES])
    free = [EPOCH + int(rng.integers(1, 10 * _SECOND)) for _ in range(_DEVICES)]
    placed = []
    for index in rng.permutation(len(trials)):
        device = int(np.argmin(free))
        placed.append(Placed(trials[index], free[device]))
        free[device] = placed[-1].end + int(rng.integers(_SECOND, 4 * _SECOND))
    return sorted(placed, key=lambda item: item.start)


def chunks(placed: Sequence[Placed], damage: Damage, seed: int) -> list[Chunk]:
    """What the log gets, in its order."""
    swaps = Swaps([(item.start, item.end, item.trial.key) for item in placed], seed)
    sent = []
    for index, item in enumerate(placed):
        for number, (stream, samples) in enumerate(item.trial.streams.items()):
            # A generator for each, so that damage to one stream leaves the others as they are.
            rng = np.random.default_rng([seed, _CHUNKS, index, number])
            for chunk in _sent(item, stream, samples, damage, rng):
                astray = damage.shuffle_keys and stream == "gyro"
                key = swaps.instead(chunk.key, chunk.time) if astray else chunk.key
                sent.append(replace(chunk, key=key))
    return sorted(sent, key=lambda chunk: (chunk.arrived, chunk.stream, chunk.key))


def _sent(
    item: Placed,
    stream: str,
    samples: npt.NDArray[np.float32],
    damage: Damage,
    rng: np.random.Generator,
) -> Iterator[Chunk]:
    # One for each, so that a longer delay cuts and loses nothing otherwise.
    cuts, losses, delays = rng.spawn(3)
    mishaps = Mishaps(damage, item.start, item.end, losses, delays)
    first = 0
    while first < len(samples):
        part = samples[first : first + int(cuts.integers(*_CHUNK))]
        time, duration = item.start + first * PERIOD, len(part) * PERIOD
        first += len(part)
        arrived = mishaps.arrival(time, time + duration)
        if arrived is not None:
            yield Chunk(stream, item.trial.key, time, duration, arrived, part)
