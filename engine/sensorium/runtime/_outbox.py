"""One order for all that leaves: sets on their way through the models, dead letters, and cuts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from time import perf_counter_ns
from typing import Final

import numpy as np

from sensorium.align import value_bytes
from sensorium.durations import INFINITY, Duration
from sensorium.events import AlignedSet, DeadLetter
from sensorium.runtime._flight import Flight
from sensorium.runtime._lane import Marker
from sensorium.runtime._microbatch import Microbatch, Worked
from sensorium.stages import Fused

__all__ = ["Outbox"]


#: How many micro-batches go through the models as one, at most, where they had to wait for room:
#: what one costs by itself, 2 to 3 ms for the call of a deployment, is then paid once for all.
_TOGETHER: Final = 8
#: How long they may take together, by how long those before took. A slow model gains nothing by it,
#: and would keep its results for longer.
_TOGETHER_NS: Final = 200_000_000


class _Batch:
    """Sets that go through the models together."""

    __slots__ = ("bytes", "read", "sealed", "sets", "settled", "void", "worked")

    def __init__(self) -> None:
        self.sets: list[AlignedSet] = []
        self.settled: list[int] = []
        self.read: list[int] = []
        #: What the values of its sets hold.
        self.bytes = 0
        #: Whether no more sets are added.
        self.sealed = False
        #: Whether its results are thrown away.
        self.void = False
        self.worked: Worked | None = None


class Outbox:
    """Keeps what leaves in the order in which it was put in, whatever the models take.

    Micro-batches, dead letters and cut markers come out in one order: when a marker comes to its
    turn, everything before it has come out, and nothing that was put in after it. The models
    are never drained for a marker; it only ends the micro-batch that is being filled.

    A micro-batch that is full and has no room in the flight goes on to take sets, up to eight times
    as many where the models are quick. A model still gets `size` at a time: the stages cut it.

    Parameters
    ----------
    flight
        Takes micro-batches through the models.
    size
        How many sets make a micro-batch full.
    wait
        How long the first set of a micro-batch waits for it to fill, in ns.
    on_launch
        Called with the number of sets of a micro-batch before it goes to the models.
    """

    def __init__(
        self, flight: Flight, size: int, wait: Duration, on_launch: Callable[[int], None]
    ) -> None:
        self._flight = flight
        self._on_launch = on_launch
        self._size = size
        self._wait = wait
        self._line: deque[_Batch | list[DeadLetter] | Marker] = deque()
        self._waiting: deque[_Batch] = deque()
        self._flying: deque[_Batch] = deque()
        #: How many micro-batches go as one.
        self._together = _TOGETHER
        #: How many sets have been put in since the newest marker.
        self._since_marker = 0
        self.sets = 0
        """How many sets are waiting or in flight."""
        self.bytes = 0
        """How many bytes their values hold, as `value_bytes` estimates; a value counts with every
        set that it is in."""

    def __bool__(self) -> bool:
        return bool(self._line)

    @property
    def waiting(self) -> int:
        """How many sets are not in flight yet. May be asked by any thread."""
        return sum(len(batch.sets) for batch in tuple(self._waiting))

    @property
    def batches_since_marker(self) -> int:
        """How many whole micro-batches have been put in since the newest marker."""
        return self._since_marker // self._size

    @property
    def behind(self) -> int:
        """How long ago the oldest set settled that is waiting or in flight, in ns; 0 if there is
        none. May be asked by any thread."""
        for batches in (self._flying, self._waiting):
            with suppress(IndexError):
                return perf_counter_ns() - batches[0].settled[0]
        return 0

    @property
    def held_up(self) -> bool:
        """Whether a whole micro-batch waits for room in the flight."""
        return bool(self._waiting) and self._ready(self._waiting[0]) and self._flight.full

    def add(self, aligned: AlignedSet, settled: int, read: int) -> None:
        """Put in a set; when it was settled and its newest member read, by the run's timer, ns."""
        if not self._waiting or self._whole(self._waiting[-1]):
            batch = _Batch()
            self._line.append(batch)
            self._waiting.append(batch)
        batch = self._waiting[-1]
        batch.sets.append(aligned)
        batch.settled.append(settled)
        batch.read.append(read)
        size = 0
        for events in aligned.members.values():
            for event in events:
                it = event.value
                size += it.nbytes if type(it) is np.ndarray else value_bytes(it)
        batch.bytes += size
        self.bytes += size
        self.sets += 1
        self._since_marker += 1
        if len(batch.sets) % self._size == 0:
            self.launch()

    def add_letters(self, letters: list[DeadLetter]) -> None:
        """Put in dead letters."""
        self._line.append(letters)

    def add_marker(self, marker: Marker) -> None:
        """Put in a marker."""
        self.seal()
        self._since_marker = 0
        self._line.append(marker)

    def seal(self) -> None:
        """End the micro-batch that is being filled: it is launched without waiting for more."""
        if self._waiting:
            self._waiting[-1].sealed = True

    def patience(self) -> float:
        """How long the oldest micro-batch that waits for more sets may do so, in ns; infinite if
        none does."""
        if not self._waiting or self._flight.full:
            return INFINITY
        batch = self._waiting[0]
        return 0 if self._ready(batch) else self._left(batch)

    def launch(self) -> None:
        """Send to the models what is ready, as far as there is room."""
        waiting, flight = self._waiting, self._flight
        while waiting and not flight.full:
            batch = waiting[0]
            if not self._ready(batch) and self._left(batch) > 0:
                return
            batch.sealed = True
            waiting.popleft()
            self._flying.append(batch)
            self._on_launch(len(batch.sets))
            flight.submit(Microbatch(batch.sets, batch.settled, batch.read))

    def take(self) -> Iterator[Worked | list[DeadLetter] | Marker]:
        """Take out, in order, what has come to its turn."""
        for worked in self._flight.landed():
            self._flying.popleft().worked = worked
            self._learn(worked)
        while self._line:
            first = self._line[0]
            if isinstance(first, _Batch):
                if first.worked is None:
                    return
                self._line.popleft()
                self.sets -= len(first.sets)
                self.bytes -= first.bytes
                yield _without_effect(first.worked) if first.void else first.worked
            else:
                self._line.popleft()
                yield first

    def void(self) -> None:
        """Throw away all that has been put in; what is in flight lands without effect."""
        for batch in self._flying:
            batch.void = True
        self._waiting.clear()
        self._line = deque(self._flying)
        self.sets = sum(len(batch.sets) for batch in self._flying)
        self.bytes = sum(batch.bytes for batch in self._flying)

    def _whole(self, batch: _Batch) -> bool:
        """Whether it takes no more sets."""
        return batch.sealed or len(batch.sets) >= self._size * self._together

    def _ready(self, batch: _Batch) -> bool:
        """Whether it may go, where there is room."""
        return batch.sealed or len(batch.sets) >= self._size

    def _learn(self, worked: Worked) -> None:
        """Let as many micro-batches go as one as do not take too long together."""
        each = (worked.encode_ns + worked.fuse_ns) * self._size // len(worked.batch.sets)
        self._together = max(min(_TOGETHER_NS // max(each, 1), _TOGETHER), 1)

    def _left(self, batch: _Batch) -> float:
        return max(batch.settled[0] + self._wait - perf_counter_ns(), 0)


def _without_effect(worked: Worked) -> Worked:
    return replace(worked, fused=Fused(np.zeros(0, np.intp), {}), letters=[])
