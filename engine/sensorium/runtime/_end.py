"""When a source that goes on for ever has been read to its present end."""

from __future__ import annotations

from collections.abc import Iterable

from sensorium.plugin import Batch, TopicPartition

__all__ = ["EndWatch"]


class EndWatch:
    """Notes which partitions the source says it has read to the end.

    Parameters
    ----------
    partitions
        All of them.
    """

    def __init__(self, partitions: Iterable[TopicPartition]) -> None:
        self._open = set(partitions)

    def reached(self, batch: Batch) -> bool:
        """Whether, with this batch, all have been at their end once.

        Being past the end is the source's word (`Batch.progress`), never a guess from silence.
        """
        self._open.difference_update(batch.progress)
        return batch.ended or not self._open
