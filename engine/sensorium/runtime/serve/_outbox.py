"""What the ingest deployment hands back to the program that started it, in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sensorium.events import AlignedSet, DeadLetter, Prediction
from sensorium.plugin import PluginConfig, Sink

__all__ = ["Outbox", "OutboxSink", "Parcel"]

_ROOM: Final = 64


@dataclass(frozen=True, slots=True)
class Parcel:
    """One thing to hand back.

    Parameters
    ----------
    number
        Its place in the order, from 1.
    predictions, letters
        What the sink was given.
    sets
        The sets of the predictions, where they are wanted: then this is what was predicted, not
        what the sink was given.
    """

    number: int
    predictions: Sequence[Prediction] = ()
    letters: Sequence[DeadLetter] = ()
    sets: Sequence[AlignedSet] | None = None


class Outbox:
    """A bounded queue between the line and whoever collects; both on threads of their own."""

    def __init__(self) -> None:
        self._parcels: deque[Parcel] = deque()
        self._changed = threading.Condition()
        self._number = 0
        self._closed = False

    def put(
        self,
        predictions: Sequence[Prediction] = (),
        letters: Sequence[DeadLetter] = (),
        sets: Sequence[AlignedSet] | None = None,
    ) -> None:
        """Add a parcel; waits for room, unless the outbox has been closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._parcels) < _ROOM)
            self._number += 1
            self._parcels.append(Parcel(self._number, predictions, letters, sets))
            self._changed.notify_all()

    def collect(self, after: int, seconds: float) -> list[Parcel]:
        """Give the parcels beyond a number, and forget those up to it: they have arrived.

        Waits so long for one, unless the outbox has been closed. Asked again, it gives the same.
        """
        with self._changed:
            while self._parcels and self._parcels[0].number <= after:
                self._parcels.popleft()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or bool(self._parcels), seconds)
            return list(self._parcels)

    def wait_empty(self) -> None:
        """Wait until all has arrived, unless the outbox has been closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._parcels)

    def close(self) -> None:
        """Wait for nobody any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class OutboxSink(Sink):
    """Hands predictions and dead letters back.

    Parameters
    ----------
    outbox
        Where they are put.
    """

    name = "outbox"

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(PluginConfig())
        self._outbox = outbox

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Put predictions."""
        self._outbox.put(predictions=tuple(predictions))

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Put dead letters."""
        self._outbox.put(letters=tuple(letters))

    def flush(self) -> None:
        """Wait until they have arrived."""
        self._outbox.wait_empty()

    def close(self) -> None:
        """Do nothing: what has been put stays until it is collected."""
