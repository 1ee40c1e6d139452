"""Ingest and align: the records of a source to settled sets, on the main thread."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from time import perf_counter_ns

from sensorium.align import Aligner, Carry, horizon, late_letter
from sensorium.errors import RunError
from sensorium.events import AlignedSet, DeadLetter, Event, Fate
from sensorium.host import Pipeline
from sensorium.plugin import Batch, Cut, Record, Sink, Source, TopicPartition
from sensorium.runtime._fingerprint import (
    alignment_fingerprint,
    deadline_change,
    deadlines_after,
)
from sensorium.runtime._lane import Lane, Marker
from sensorium.runtime._notes import read_notes
from sensorium.runtime._summary import Tally
from sensorium.stages import Heartbeat, Ingest, Ingested, IngestStream, Progress, Wiring

__all__ = ["Intake", "ingest_streams"]

_LOG = logging.getLogger(__name__)

#: What ingest makes of a record, for the aligner.
Item = Event | Heartbeat | Progress
#: Called with the events and the dead letters of one poll, of ingest and then of align.
Watch = Callable[[list[Event], list[DeadLetter]], None]


class Intake:
    """Takes what a source gives, and gives the sets that it settles.

    Where the source keeps cuts, partition numbers are assigned and taken away; else each is found
    with its first record.

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
    source
        Moved to where a partition number goes on.
    carrier
        Where it is kept what a restart needs besides the log; None where it needs no such thing.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        ingest: Ingest,
        clock: Callable[[], int],
        tally: Tally,
        source: Source,
        carrier: Sink | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._ingest = ingest
        self._clock = clock
        self._tally = tally
        self._source = source
        self._carrier = carrier
        self._specs = {name: part.spec for name, part in pipeline.streams.items()}
        self._topics = {part.topic for part in pipeline.streams.values()}
        self._fingerprint = alignment_fingerprint(pipeline)
        self._lanes: dict[int, Lane] = {}
        #: Of partition numbers that will probably be assigned, while that is waited for.
        self._foreseen: dict[int, Lane] = {}
        #: Terminal fates of partition numbers that are no longer read here.
        self._past: Counter[Fate] = Counter()
        #: Sets that were given up there.
        self._past_given_up = 0

    # Records to sets.

    def take(self, batch: Batch, watch: Watch) -> Iterator[list[AlignedSet]]:
        """Give the sets that a batch settles, a list per step, in the aligner's order."""
        if not self._source.keeps_cuts:
            return self._timed(self._align(self._read(batch.records, watch), batch.progress, watch))
        return self._timed(self._take(batch, watch))

    def close(self, watch: Watch) -> Iterator[list[AlignedSet]]:
        """No more records, ever: give what is left, by partition number."""
        return self._timed(self._close(watch))

    def _close(self, watch: Watch) -> Iterator[list[AlignedSet]]:
        for number in sorted(self._lanes):
            yield self._lanes[number].aligner.close()
        self._bury_late(watch)

    def _bury_late(self, watch: Watch) -> None:
        letters = [
            late_letter(event)
            for lane in self._lanes.values()
            for event in lane.aligner.take_late()
        ]
        if letters:
            watch([], letters)

    def _take(self, batch: Batch, watch: Watch) -> Iterator[list[AlignedSet]]:
        self._read_ahead(batch.ahead)
        fresh: list[Record] = []
        again: list[Record] = []
        for record in batch.records:
            lane = self._lanes.get(record.partition)
            if lane is not None and lane.read(record):
                (again if lane.replaying else fresh).append(record)
        for place, offset in batch.positions.items():
            if place.partition in self._lanes:
                self._lanes[place.partition].stands_at(place, offset)
        self._replay(again, self._lanes)
        for lane in self._lanes.values():
            if lane.caught_up:
                fresh += self._restore(lane)
        progress = {
            place: log_time
            for place, log_time in batch.progress.items()
            if place.partition in self._lanes
            and self._lanes[place.partition].progress(place, log_time)
        }
        return self._align(self._read(fresh, watch), progress, watch)

    def _read(self, records: Sequence[Record], watch: Watch) -> Ingested:
        start = perf_counter_ns()
        ingested = self._ingest.read(records)
        self._tally.spent("ingest", perf_counter_ns() - start)
        if ingested.items or ingested.letters:
            watch([item for _, item in ingested.items if type(item) is Event], ingested.letters)
        return ingested

    def _align(
        self, ingested: Ingested, progress: Mapping[TopicPartition, int], watch: Watch
    ) -> Iterator[list[AlignedSet]]:
        for partition, step in _steps(ingested.items):
            lane = self._lanes.get(partition) or self._new(partition)
            yield lane.wanted(_apply(lane.aligner, step))
        for (topic, partition), log_time in progress.items():
            lane = self._lanes.get(partition) or self._new(partition)
            for stream in self._ingest.streams(topic):
                yield lane.wanted(lane.aligner.progress(stream, log_time))
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

    # A restart: what a stored cut covers is read again, and nothing of it is given again.

    def _replay(self, records: Sequence[Record], lanes: Mapping[int, Lane]) -> None:
        if records:
            for partition, step in _steps(self._ingest.read(records, again=True).items):
                _apply(lanes[partition].aligner, step)

    def _read_ahead(self, records: Sequence[Record]) -> None:
        lanes = self._foreseen
        again = [it for it in records if it.partition in lanes and lanes[it.partition].read(it)]
        self._replay(again, lanes)

    def _restore(self, lane: Lane) -> Sequence[Record]:
        """Go on where the stored cut was made; gives what has been read beyond it."""
        for place, log_time in lane.restore().items():
            for stream in self._ingest.streams(place.topic):
                lane.aligner.progress(stream, log_time)
        lane.aligner.take_late()  # buried with the cut
        lane.adopt()
        self._tally.adopted += lane.adopted
        held, lane.held = lane.held, []
        return [record for record in held if lane.read(record)]

    # Which partition numbers are read here.

    def foresee(self, stored: Mapping[int, Cut]) -> None:
        """Read again what these cuts cover, in case that the partition numbers are assigned."""
        self._foreseen = {}
        try:
            notes = {} if self._carrier is None else self._carrier.carried(stored)
        except RunError:
            return  # it may not even be ours; if it is, it is told when it is assigned
        for number, cut in stored.items():
            if cut.fingerprint != self._fingerprint:
                continue
            lane = self._make(number, cut)
            if cut.positions.keys() != set(lane.places):
                continue
            if self._carrier is not None:
                lane.carry_on(read_notes(notes.get(number, {}), cut, self._fingerprint))
            if lane.torn is None:  # else somebody has just written notes, and another cut
                lane.go_on_from(cut)
                self._foreseen[number] = lane

    def assign(self, stored: Mapping[int, Cut | None]) -> None:
        """Read these partition numbers, each from its stored cut, and no others.

        One that is read already, and whose newest committed cut is the stored one, goes on as if
        nothing had happened; so does one that was foreseen with the stored cut.

        Raises
        ------
        RunError
            If a cut is not whole.
        """
        self.forget(self._lanes.keys() - stored.keys())
        foreseen, self._foreseen = self._foreseen, {}
        offsets: dict[TopicPartition, int] = {}
        times: dict[int, int] = {}
        fresh: dict[int, Cut | None] = {}
        for number, cut in stored.items():
            lane = self._lanes.get(number)
            if lane is not None and lane.stored == cut and not lane.replaying:
                offsets.update(lane.offsets)
            else:
                fresh[number] = cut
        self.forget(fresh)
        for number, lane in foreseen.items():
            if number in fresh and lane.stored == fresh[number]:
                self._lanes[number] = lane
                offsets.update(lane.offsets)
                del fresh[number]
        notes = {} if self._carrier is None else self._carrier.carried(fresh)
        for number, cut in fresh.items():
            same = cut is not None and cut.fingerprint == self._fingerprint
            lane = self._new(number, cut if same else None)
            lane.carry_on(read_notes(notes.get(number, {}), cut, self._fingerprint))
            if cut is None:
                continue
            if same:
                lane.go_on_from(cut)
            elif (time := lane.begin_anew(cut)) is not None:
                times[number] = time
        policy = self._pipeline.policy
        if change := deadline_change(policy, self._fingerprint, stored.values()):
            _LOG.info("the deadline is %s; what had been read keeps the earlier one", change)
        if times:
            _LOG.warning(
                "the alignment's configuration has changed since the newest cut: the partition "
                "numbers %s begin with the first sets beyond what was settled then",
                sorted(times),
            )
        self._source.seek(offsets)
        self._source.seek_to_time(times)

    def forget(self, numbers: Collection[int]) -> None:
        """Read these no longer; whoever reads them next goes on from their newest cut."""
        for number in set(numbers) & self._lanes.keys():
            lane = self._lanes.pop(number)
            counted = lane.counted
            self._tally.handed_over += counted.pop(Fate.PENDING, 0)
            self._past += counted
            self._past_given_up += lane.aligner.given_up

    @property
    def places(self) -> set[TopicPartition]:
        """All that is read here."""
        if self._source.keeps_cuts:
            return {place for lane in self._lanes.values() for place in lane.places}
        numbers = self._source.partitions()
        return {TopicPartition(topic, it) for topic in self._source.topics for it in numbers}

    @property
    def caught_up(self) -> bool:
        """Whether nothing has still to be read again up to a stored cut; what lies beyond waits."""
        return not any(lane.replaying for lane in self._lanes.values())

    @property
    def lanes(self) -> Mapping[int, Lane]:
        """The partition numbers that are read here."""
        return self._lanes

    def holds(self, lane: Lane) -> bool:
        """Whether a lane is still read here."""
        return self._lanes.get(lane.number) is lane

    # Cuts.

    def mark(self) -> Marker | None:
        """Cuts of every partition number about which there is news; None where there is none.

        None as well while one of them cannot be cut: what it gave would be written uncovered.
        """
        changed = [lane for lane in self._lanes.values() if lane.changed]
        if not changed or not all(lane.ready for lane in changed):
            return None
        return Marker({lane: lane.mark() for lane in changed}, self._source.membership())

    @property
    def fates(self) -> Counter[str]:
        """Events by fate, over all partition numbers; where cuts are kept, those committed."""
        total = Counter(self._past)
        for lane in list(self._lanes.values()):
            total += lane.counted if self._source.keeps_cuts else lane.fates()
        return Counter({str(fate): count for fate, count in total.items()})

    @property
    def given_up(self) -> int:
        """Open sets that were given up, since a limit was exceeded."""
        lanes = list(self._lanes.values())
        return self._past_given_up + sum(lane.aligner.given_up for lane in lanes)

    @property
    def log_times(self) -> dict[tuple[str, int], int]:
        """Per stream and partition number, the log time up to which it has been read, in ns."""
        return {
            (stream, number): log_time
            for number, lane in list(self._lanes.items())
            for stream, log_time in lane.aligner.log_times.items()
        }

    @property
    def keys(self) -> int:
        """How many keys are remembered, over all partition numbers."""
        return sum(lane.aligner.keys for lane in list(self._lanes.values()))

    @property
    def carried_keys(self) -> int:
        """How many keys the sink carries for a restart, over all partition numbers."""
        return sum(lane.carried_keys for lane in list(self._lanes.values()))

    def _new(self, number: int, cut: Cut | None = None) -> Lane:
        lane = self._lanes[number] = self._make(number, cut)
        return lane

    def _make(self, number: int, cut: Cut | None = None) -> Lane:
        """A lane that will go on from a cut of this alignment, if there is one."""
        policy = self._pipeline.policy
        deadlines = deadlines_after(policy, cut)
        span = horizon(policy, self._specs.values(), deadlines)
        carry = None if self._carrier is None else Carry(span)
        aligner = Aligner(
            policy,
            self._specs,
            self._clock,
            self._pipeline.name,
            carry=carry,
            deadlines=deadlines,
            **self._pipeline.limits,
        )
        return Lane(number, aligner, span, self._fingerprint, self._topics, carry, deadlines)


def _steps(items: Iterable[tuple[int, Item]]) -> Iterator[tuple[int, list[Event] | Item]]:
    """What was read, in its order; events of a partition number that follow each other go
    together, which is cheaper and gives the same."""
    events: list[Event] = []
    number = -1
    for partition, item in items:
        if type(item) is Event:
            if partition != number and events:
                yield number, events
                events = []
            number = partition
            events.append(item)
            continue
        if events:
            yield number, events
            events = []
        yield partition, item
    if events:
        yield number, events


def _apply(aligner: Aligner, step: list[Event] | Item) -> list[AlignedSet]:
    if isinstance(step, list):
        return aligner.add_all(step)
    if isinstance(step, Heartbeat):
        return aligner.heartbeat(step.stream, step.time, step.arrived, step.key)
    assert isinstance(step, Progress)
    return aligner.progress(step.stream, step.log_time)


def ingest_streams(pipeline: Pipeline) -> dict[str, IngestStream]:
    """What ingest needs of each stream; the modalities are not loaded, since they only decode."""
    modalities = pipeline.modalities()
    return {
        name: IngestStream(modalities[name], part.topic, Wiring(part.format, part.fields))
        for name, part in pipeline.streams.items()
    }
