"""What goes wrong between the devices and the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sensorium.durations import format_duration
from sensorium.errors import ConfigError

__all__ = ["Damage", "Mishaps", "silences"]

_SECOND: Final = 1_000_000_000
#: A burst of silence lasts from 3 to 8 seconds.
_BURST: Final = (3 * _SECOND, 8 * _SECOND)
_LEAST_DELAY: Final = 20_000_000


@dataclass(frozen=True, slots=True)
class Damage:
    """What goes wrong.

    Parameters
    ----------
    lose
        The share of the events that is lost, in [0, 1); each by itself.
    outage
        The share of the time that each stream of each device is silent, in [0, 1), in bursts of
        several seconds and independently of the other.
    disorder
        The longest delay of a chunk after its end, in ns; each has its own, so they overtake.
    shuffle_keys
        Whether the chunks of one stream are sent under the keys of other devices: of the gyroscope,
        or the microphone.

    Raises
    ------
    ConfigError
        If a share or a time is out of its range.
    """

    lose: float = 0.0
    outage: float = 0.0
    disorder: int = 200_000_000
    shuffle_keys: bool = False

    def __post_init__(self) -> None:
        for name, share in (("lose", self.lose), ("outage", self.outage)):
            if not 0 <= share < 1:
                raise ConfigError(f"--{name} is {share:g}; it is a share: at least 0, less than 1")
        if not 0 <= self.disorder <= 3600 * _SECOND:
            raise ConfigError(
                f"--disorder is {format_duration(self.disorder)}; it must lie between 0 and 1h"
            )

    def delay(self, rng: np.random.Generator) -> int:
        """From the end of a chunk to its log time, in ns."""
        return int(rng.integers(min(_LEAST_DELAY, self.disorder), self.disorder + 1))


class Mishaps:
    """What goes wrong with one stream of one device.

    Parameters
    ----------
    damage
        What may.
    start, end
        When the stream begins and ends, in ns.
    losses, delays
        Where the randomness comes from. One for each, so that a longer delay loses nothing else.
    """

    def __init__(
        self,
        damage: Damage,
        start: int,
        end: int,
        losses: np.random.Generator,
        delays: np.random.Generator,
    ) -> None:
        self._damage, self._losses, self._delays = damage, losses, delays
        self._silences = silences(start, end, damage.outage, losses)

    def arrival(self, start: int, end: int) -> int | None:
        """When the log takes what was from `start` to `end`, in ns; None if it never does."""
        delay, lost = self._damage.delay(self._delays), self._losses.random() < self._damage.lose
        if lost or any(begin < end and start < stop for begin, stop in self._silences):
            return None
        return end + delay


def silences(start: int, end: int, share: float, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Bursts of silence that take about a share of a time.

    Parameters
    ----------
    start, end
        The time, in ns.
    share
        In [0, 1).
    rng
        Where the randomness comes from.

    Returns
    -------
    list of (start, end)
        In ns, ascending.
    """
    if share <= 0:
        return []
    mean = sum(_BURST) / 2
    # Before the start lies as much again as a burst and a gap last on average, several times
    # over, so that what is silent at the start is as much a matter of chance as later.
    at = start - int(10 * mean / share)
    bursts = []
    while at < end:
        at += int(rng.exponential(mean * (1 - share) / share))
        stop = at + int(rng.integers(*_BURST))
        if stop > start and at < end:
            bursts.append((at, stop))
        at = stop
    return bursts
