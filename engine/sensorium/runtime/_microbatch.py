"""Micro-batches: how many sets go through the models together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sensorium.events import AlignedSet, DeadLetter
from sensorium.stages import Fused

__all__ = ["Microbatch", "Waiting", "Worked"]


@dataclass(frozen=True, slots=True)
class Microbatch:
    """Sets on their way through the models.

    Parameters
    ----------
    sets
        In the aligner's order.
    settled, read
        Per set, when it was settled and when its newest member was read, by the run's timer, ns.
    """

    sets: Sequence[AlignedSet]
    settled: Sequence[int]
    read: Sequence[int]


@dataclass(frozen=True, slots=True)
class Worked:
    """A micro-batch that has been through the models.

    Parameters
    ----------
    batch
        What went in, its sets with the streams that failed marked absent.
    fused
        Its outputs.
    letters
        What failed.
    encode_ns, fuse_ns
        How long the stages took.
    model
        The identity of the model, where it changes while the pipeline runs.
    """

    batch: Microbatch
    fused: Fused
    letters: list[DeadLetter]
    encode_ns: int
    fuse_ns: int
    model: str | None = None


class Waiting:
    """Sets that wait for a micro-batch to fill.

    Parameters
    ----------
    size
        The most sets of a micro-batch.
    wait
        How long the first one waits for it to fill, in ns.
    """

    def __init__(self, size: int, wait: float) -> None:
        self._size = size
        self._wait = wait
        self._sets: list[AlignedSet] = []
        self._settled: list[int] = []
        self._read: list[int] = []

    def __len__(self) -> int:
        return len(self._sets)

    def add(self, aligned: AlignedSet, settled: int, read: int) -> None:
        """Take a set."""
        self._sets.append(aligned)
        self._settled.append(settled)
        self._read.append(read)

    @property
    def full(self) -> bool:
        """Whether a whole micro-batch waits."""
        return len(self._sets) >= self._size

    def left(self, now: int) -> float:
        """How long a batch may still wait, in ns; infinite if nothing waits, else at least 0."""
        return max(self._settled[0] + self._wait - now, 0) if self._sets else float("inf")

    def take(self) -> Microbatch:
        """The oldest sets, at most a micro-batch."""
        size = self._size
        batch = Microbatch(self._sets[:size], self._settled[:size], self._read[:size])
        del self._sets[:size], self._settled[:size], self._read[:size]
        return batch
