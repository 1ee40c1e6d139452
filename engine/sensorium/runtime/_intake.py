"""Ingest and align: the records of a source to settled sets, on the main thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from time import perf_counter_ns

from sensorium.align import Aligner, late_letter
from sensorium.events import AlignedSet, DeadLetter, Event
from sensorium.host import Pipeline
from sensorium.plugin import Batch
from sensorium.runtime._summary import Tally
from sensorium.stages import Heartbeat, Ingest, Ingested, IngestStream, Progress, Wiring

__all__ = ["Intake", "ingest_streams"]

#: Called with the events and the dead letters of one poll, of ingest and then of align.
Watch = Callable[[list[Event], list[DeadLetter]], None]


class Intake:
    """Takes what a source gives, and gives the sets that it settles.

    Parameters
    ----------
    pipeline
        Its streams and policy.
    ingest
        Decodes.
    clock
        Gives the log time of live events, in ns since the epoch.
    tally
        Where time spent is noted.
    """

    def __init__(
        self, pipeline: Pipeline, ingest: Ingest, clock: Callable[[], int], tally: Tally
    ) -> None:
        self._pipeline = pipeline
        self._ingest = ingest
        self._clock = clock
        self._tally = tally
        self._aligners: dict[int, Aligner] = {}

    def take(self, batch: Batch, watch: Watch) -> Iterator[list[AlignedSet]]:
        """Give the sets that a batch settles, a list per step, in the aligner's order.

        Lazily: who does not go on asking holds back the rest.
        """
        start = perf_counter_ns()
        ingested = self._ingest.read(batch.records)
        self._tally.spent("ingest", perf_counter_ns() - start)
        if ingested.items or ingested.letters:
            watch([item for _, item in ingested.items if type(item) is Event], ingested.letters)
        return self._timed(self._align(ingested, batch, watch))

    def close(self, watch: Watch) -> Iterator[list[AlignedSet]]:
        """No more records, ever: give what is left, by partition number."""
        return self._timed(self._close(watch))

    def _close(self, watch: Watch) -> Iterator[list[AlignedSet]]:
        for number in sorted(self._aligners):
            yield self._aligners[number].close()
        self._bury_late(watch)

    def _bury_late(self, watch: Watch) -> None:
        letters = [
            late_letter(event)
            for aligner in self._aligners.values()
            for event in aligner.take_late()
        ]
        if letters:
            watch([], letters)

    def _align(self, ingested: Ingested, batch: Batch, watch: Watch) -> Iterator[list[AlignedSet]]:
        # Events that follow each other are taken together, which is cheaper and gives the same.
        for (partition, kind), items in groupby(ingested.items, _partition_and_kind):
            aligner = self._aligners.get(partition) or self._new(partition)
            if kind is Event:
                yield aligner.add_all([item for _, item in items if type(item) is Event])
                continue
            for _, item in items:
                if type(item) is Heartbeat:
                    yield aligner.heartbeat(item.stream, item.time, item.arrived, item.key)
                else:
                    assert isinstance(item, Progress)
                    yield aligner.progress(item.stream, item.log_time)
        for (topic, partition), log_time in batch.progress.items():
            aligner = self._aligners.get(partition) or self._new(partition)
            for stream in self._ingest.streams(topic):
                yield aligner.progress(stream, log_time)
        self._bury_late(watch)

    def _timed(self, steps: Iterator[list[AlignedSet]]) -> Iterator[list[AlignedSet]]:
        spent = 0
        try:
            while True:
                start = perf_counter_ns()
                sets = next(steps, None)
                spent += perf_counter_ns() - start
                if sets is None:
                    return
                if sets:
                    yield sets
        finally:
            self._tally.spent("align", spent)

    @property
    def fates(self) -> Counter[str]:
        """Events by fate, over all partition numbers."""
        total: Counter[str] = Counter()
        for aligner in list(self._aligners.values()):
            total.update({str(fate): count for fate, count in aligner.fates.items()})
        return total

    @property
    def keys(self) -> int:
        """How many keys are remembered, over all partition numbers."""
        return sum(aligner.keys for aligner in list(self._aligners.values()))

    def _new(self, partition: int) -> Aligner:
        specs = {name: part.spec for name, part in self._pipeline.streams.items()}
        aligner = Aligner(
            self._pipeline.policy,
            specs,
            self._clock,
            self._pipeline.name,
            **self._pipeline.limits,
        )
        self._aligners[partition] = aligner
        return aligner


def _partition_and_kind(item: tuple[int, object]) -> tuple[int, type]:
    return item[0], type(item[1])


def ingest_streams(pipeline: Pipeline) -> dict[str, IngestStream]:
    """What ingest needs of each stream; the modalities are not loaded, since they only decode."""
    modalities = pipeline.modalities()
    return {
        name: IngestStream(modalities[name], part.topic, Wiring(part.format, part.fields))
        for name, part in pipeline.streams.items()
    }
