"""A source and a sink that are lists."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

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
        self._items = list(records)
        self._at = 0
        #: Where the batches stand among the records.
        self._batches = deque(at for at, it in enumerate(self._items) if isinstance(it, Batch))
        self._ends = ends
        self.closed = False
        """Whether it was closed."""
        partitions: set[TopicPartition] = set()
        for item in self._items:
            batch = item if isinstance(item, Batch) else Batch([item])
            partitions.update(TopicPartition(it.topic, it.partition) for it in batch.records)
            partitions.update(batch.progress)
        self._partitions = sorted({it.partition for it in partitions}) or [0]
        super().__init__(PluginConfig(), sorted({it.topic for it in partitions}))

    @property
    def left(self) -> int:
        """How many of the records and batches have not been given."""
        return len(self._items) - self._at

    def partitions(self) -> Sequence[int]:
        """The partition numbers of the records."""
        return self._partitions

    def poll(self, limit: int, timeout: float) -> Batch:
        """Up to `limit` records, or one batch; it never waits."""
        items, at = self._items, self._at
        stop = self._batches[0] if self._batches else len(items)
        if at == stop and self._batches:
            self._batches.popleft()
            self._at += 1
            batch = items[at]
            assert isinstance(batch, Batch)
            done = batch.ended or (self._ends and self._at == len(items))
            return Batch(batch.records, batch.progress, ended=done)
        self._at = min(at + limit, stop)
        records = [it for it in items[at : self._at] if isinstance(it, Record)]
        return Batch(records, ended=self._ends and self._at == len(items))

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
