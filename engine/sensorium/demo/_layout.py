"""The trials laid out in time, as a room of people with watches would send them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium.demo._damage import Damage, silences
from sensorium.demo._watch import PERIOD, Trial

__all__ = ["Chunk", "Placed", "chunks", "place"]

#: 2025-01-01T00:00:00Z, in ns: the demo is the same on every day.
_EPOCH: Final = 1_735_689_600_000_000_000
_SECOND: Final = 1_000_000_000
#: How many watches are worn at once.
_DEVICES: Final = 8
_CHUNK: Final = (10, 26)
#: How long keys stay swapped before they are swapped anew.
_SWAP: Final = 10 * _SECOND
#: Which part of the demo a stream of random numbers is for.
_PLACES, _CHUNKS, _SWAPS = range(3)


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
    free = [_EPOCH + int(rng.integers(1, 10 * _SECOND)) for _ in range(_DEVICES)]
    placed = []
    for index in rng.permutation(len(trials)):
        device = int(np.argmin(free))
        placed.append(Placed(trials[index], free[device]))
        free[device] = placed[-1].end + int(rng.integers(_SECOND, 4 * _SECOND))
    return sorted(placed, key=lambda item: item.start)


def chunks(placed: Sequence[Placed], damage: Damage, seed: int) -> list[Chunk]:
    """What the log gets, in its order."""
    swaps = _Swaps(placed, seed)
    sent = []
    for index, item in enumerate(placed):
        for number, (stream, samples) in enumerate(item.trial.streams.items()):
            # A generator for each, so that damage to one stream leaves the others as they are.
            rng = np.random.default_rng([seed, _CHUNKS, index, number])
            for chunk in _sent(item, stream, samples, damage, rng):
                if damage.shuffle_keys and stream == "gyro":
                    chunk = swaps.swapped(chunk)
                sent.append(chunk)
    return sorted(sent, key=lambda chunk: (chunk.arrived, chunk.stream, chunk.key))


def _sent(
    item: Placed,
    stream: str,
    samples: npt.NDArray[np.float32],
    damage: Damage,
    rng: np.random.Generator,
) -> Iterator[Chunk]:
    cuts, losses = rng.spawn(2)
    bursts = silences(item.start, item.end, damage.outage, losses)
    first = 0
    while first < len(samples):
        part = samples[first : first + int(cuts.integers(*_CHUNK))]
        time, duration = item.start + first * PERIOD, len(part) * PERIOD
        first += len(part)
        delay, lost = damage.delay(cuts), losses.random() < damage.lose
        silent = any(start < time + duration and time < end for start, end in bursts)
        if not lost and not silent:
            arrived = time + duration + delay
            yield Chunk(stream, item.trial.key, time, duration, arrived, part)


class _Swaps:
    """Whose key is sent instead of whose: at any time, each of another's and no two alike."""

    def __init__(self, placed: Sequence[Placed], seed: int) -> None:
        self._placed = placed
        self._starts = [item.start for item in placed]
        self._seed = seed

    def swapped(self, chunk: Chunk) -> Chunk:
        begun = self._placed[: bisect_right(self._starts, chunk.time)]
        keys = sorted(item.trial.key for item in begun if chunk.time < item.end)
        if len(keys) < 2:
            return chunk
        rng = np.random.default_rng([self._seed, _SWAPS, chunk.time // _SWAP])
        by = 1 + int(rng.integers(1 << 30)) % (len(keys) - 1)
        key = keys[(keys.index(chunk.key) + by) % len(keys)]
        return Chunk(
            chunk.stream, key, chunk.time, chunk.duration, chunk.arrived, chunk.samples
        )
