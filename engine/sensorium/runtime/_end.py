"""When a source that goes on for ever has been read to its present end."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from sensorium.plugin import Batch, TopicPartition

__all__ = ["EndWatch"]


class EndWatch:
    """Notes which topic-partitions the source says it has read to the end."""

    def __init__(self) -> None:
        self._seen: set[TopicPartition] = set()

    def reached(self, batch: Batch, places: AbstractSet[TopicPartition]) -> bool:
        """Whether, with this batch, all of `places` (and there are some) have been at their end.

        Being past the end is the source's word (`Batch.progress`), never a guess from silence.
        """
        self._seen |= batch.progress.keys()
        return bool(places) and places <= self._seen
