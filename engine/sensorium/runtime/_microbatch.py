"""Micro-batches: how many sets go through the models together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sensorium.events import AlignedSet, DeadLetter
from sensorium.stages import Fused

__all__ = ["Microbatch", "Worked"]


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
