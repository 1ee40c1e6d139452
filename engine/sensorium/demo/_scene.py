"""What a demo plays: what a log gets, and what is true of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from sensorium.demo._damage import Damage
from sensorium.events import AlignedSet
from sensorium.plugin import Payload

__all__ = ["EPOCH", "Decode", "Scene"]

#: 2025-01-01T00:00:00Z, in ns: a demo is the same on every day.
EPOCH: Final = 1_735_689_600_000_000_000

#: A stream and a payload to what the stream's modality makes of it.
Decode = Callable[[str, Payload], Any]


class Scene(ABC):
    """Entities with streams, laid out in time."""

    @property
    @abstractmethod
    def introduction(self) -> str:
        """What is played, in a line."""

    @property
    @abstractmethod
    def start(self) -> int:
        """The first event time, in ns since the epoch."""

    @abstractmethod
    def record(self, path: Path, damage: Damage) -> int:
        """Write what the log gets, as MCAP; the same damage gives the same file.

        Returns
        -------
        int
            The last log time, in ns since the epoch.
        """

    @abstractmethod
    def truth(self, key: str, time: int) -> str:
        """The label that a set of this key and time ought to get."""

    @abstractmethod
    def perfect(self, size: int, hop: int, decode: Decode) -> Iterator[tuple[str, AlignedSet]]:
        """The sets of perfectly aligned windows, made from the data and not from events of a log.

        Parameters
        ----------
        size, hop
            Of the windows, in ns.
        decode
            What gives the values of members.

        Yields
        ------
        truth, aligned
            The label, and the set.
        """
