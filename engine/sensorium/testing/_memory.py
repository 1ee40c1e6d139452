"""A source and a sink that are lists."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from sensorium.events import DeadLetter, Prediction
from sensorium.plugin import Batch, PluginConfig, Record, Sink, Source, TopicPartition

__all__ = ["MemorySink", "MemorySource"]


class MemorySource(Source):
    """Gives records out of a list, and then ends.

    Parameters
    ----------
    records
        Records, or whole batches, which are then given one per poll, with the progress and the
        end that they carry.
    ends
        Whether the source is at its end after the last one; if not, it goes on giving nothing.
    """

    name = "memory"

    def __init__(self, records: Iterable[Record | Batch] = (), *, ends: bool = True) -> None:
        self._left = deque(records)
        everything = list(self._left)
        self._ends = ends
        self.closed = False
        """Whether it was closed."""
        partitions: set[TopicPartition] = set()
        for item in everything:
            batch = item if isinstance(item, Batch) else Batch([item])
            partitions.update(TopicPartition(it.topic, it.partition) for it in batch.records)
            partitions.update(batch.progress)
        self._partitions = sorted({it.partition for it in partitions}) or [0]
        super().__init__(PluginConfig(), sorted({it.topic for it in partitions}))

    def partitions(self) -> Sequence[int]:
        """The partition numbers of the records."""
        return self._partitions

    def poll(self, limit: int, timeout: float) -> Batch:
        """Up to `limit` records, or one batch; it never waits."""
        if self._left and isinstance(self._left[0], Batch):
            batch = self._left.popleft()
            assert isinstance(batch, Batch)
            done = batch.ended or (self._ends and not self._left)
            return Batch(batch.records, batch.progress, ended=done)
        records: list[Record] = []
        while len(records) < limit and self._left and isinstance(self._left[0], Record):
            record = self._left.popleft()
            assert isinstance(record, Record)
            records.append(record)
        progress: Mapping[TopicPartition, int] = {}
        return Batch(records, progress, ended=self._ends and not self._left)

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


class MemorySink(Sink):
    """Keeps what it is given.

    Attributes
    ----------
    predictions, dead_letters
        In the order in which they came.
    flushed
        How many of the predictions were safe after the last flush.
    closed
        Whether it was closed.
    """

    name = "memory"

    def __init__(self) -> None:
        super().__init__(PluginConfig())
        self.predictions: list[Prediction] = []
        self.dead_letters: list[DeadLetter] = []
        self.flushed = 0
        self.closed = False

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Keep predictions."""
        self.predictions += predictions

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep dead letters."""
        self.dead_letters += letters

    def flush(self) -> None:
        """Note what has been written so far."""
        self.flushed = len(self.predictions)

    def close(self) -> None:
        """Flush, and note that it was closed."""
        self.flush()
        self.closed = True
