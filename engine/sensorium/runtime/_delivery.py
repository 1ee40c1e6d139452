"""When what has been written is safe: cuts are committed in their turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from time import perf_counter_ns
from typing import Final, TypeVar

from sensorium.durations import INFINITY, Duration
from sensorium.errors import CommitError, RunError
from sensorium.events import DeadLetter, Prediction
from sensorium.observe import Journal
from sensorium.plugin import Sink, Source
from sensorium.runtime._intake import Intake
from sensorium.runtime._lane import Lane, Marked, Marker
from sensorium.runtime._notes import write_notes
from sensorium.runtime._outbox import Outbox
from sensorium.runtime._summary import Tally

__all__ = ["Delivery"]

#: How often a sink is flushed where there are no cuts.
_FLUSH_EVERY_NS: Final = 1_000_000_000
#: How often cuts are committed where the pipeline does not say.
_COMMIT_NS: Final = 1_000_000_000
_COMMIT_NS_EXACTLY_ONCE: Final = 100_000_000
#: While a cut is on its way, the next one comes after so many micro-batches. Where models are slow
#: there are several, so that what has been done is committed while the rest is still worked on; not
#: more, since each one ends a micro-batch before it is full.
_BATCHES_BETWEEN: Final = 8

_One = TypeVar("_One", Prediction, DeadLetter)


class Delivery:
    """Marks cuts, commits each when all that it covers has been written, and starts over if not.

    At least once: the sink is flushed, then the source stores the cuts. Exactly once: what comes is
    held until its cut has come to its turn; then the sink is given it, and commits it and the cuts
    as one. So a transaction takes as long as writing does, however long the models take: brokers
    take back one that stays open. Where it fails, every partition number goes on from its stored
    cut. Where the source keeps no cuts, the sink is flushed when nothing comes, and each second.

    Parameters
    ----------
    source, sink
        What stores the cuts.
    intake
        Makes them.
    outbox
        Brings them to their turn.
    tally, journal
        Where commits are counted, and failures told.
    exactly_once
        Whether the sink commits the cuts.
    interval
        How far apart cuts are made, in ns; None for a second, or a tenth where exactly once.
    stopping
        Says whether the run is being ended: then nothing is begun anew after a failed commit.
    """

    def __init__(
        self,
        source: Source,
        sink: Sink,
        intake: Intake,
        outbox: Outbox,
        tally: Tally,
        journal: Journal,
        *,
        exactly_once: bool,
        interval: Duration | None,
        stopping: Callable[[], bool],
    ) -> None:
        self._stopping = stopping
        self._source = source
        self._sink = sink
        self._intake = intake
        self._outbox = outbox
        self._tally = tally
        self._journal = journal
        self._exactly_once = exactly_once
        if interval is None:
            interval = _COMMIT_NS_EXACTLY_ONCE if exactly_once else _COMMIT_NS
        self._interval = interval
        self._marked_at: float = -INFINITY
        #: How many markers are in the outbox.
        self._outstanding = 0
        #: The cuts of those that have come to their turn, and are to be committed.
        self._reached: Marker | None = None
        #: What is to be written with a commit, in order, and how much of it these cuts cover.
        self._held: list[Callable[[], None]] = []
        self._covered = 0
        self._committed_at: float = -INFINITY
        self._unflushed = False
        self._flushed_at = 0
        self._sharing = False
        self.failed = False
        """Whether a commit has failed while the run was being ended, so that there are no more."""

    def begin(self) -> None:
        """Make ready to write; called once."""
        if self._exactly_once:
            self._sink.begin(self._source.member)

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Give the sink predictions, or hold them until they are committed."""
        self._give(self._sink.write, predictions)

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Give the sink dead letters, or hold them until they are committed."""
        self._give(self._sink.write_dead_letters, letters)

    def _give(self, write: Callable[[Sequence[_One]], None], those: Sequence[_One]) -> None:
        if self._exactly_once:
            self._held.append(partial(write, those))
        else:
            write(those)
            self._unflushed = True

    @property
    def uncovered(self) -> bool:
        """Whether something is held that has no cut, and so must not be written."""
        return self.failed or len(self._held) > self._covered

    def patience(self) -> float:
        """How long until there is something to do, in ns."""
        if not self._source.keeps_cuts:
            return INFINITY
        due = self._marked_at + self._interval if self._may_mark else INFINITY
        if self._reached is not None:
            due = min(due, self._committed_at + self._interval / 2)
        return max(due - perf_counter_ns(), 0)

    @property
    def _may_mark(self) -> bool:
        return not self._outstanding or self._outbox.batches_since_marker >= _BATCHES_BETWEEN

    def mark(self, *, now: bool = False) -> None:
        """Put a cut into the outbox if one is due and there is news.

        Called between polls: everything that was read has been aligned, and all that settled is
        in the outbox.
        """
        if not self._source.keeps_cuts:
            return
        started = perf_counter_ns()
        due = self._may_mark and started >= self._marked_at + self._interval
        if not (due or now):
            return
        self._marked_at = started
        marker = self._intake.mark()
        if marker is not None:
            self._outstanding += 1
            self._outbox.add_marker(marker)

    def reach(self, marker: Marker) -> None:
        """Note that a marker has come to its turn: its cuts are to be committed.

        Where the last commit was only now, they wait for a moment, and perhaps for newer ones.
        """
        self._outstanding -= 1
        self._reached = marker if self._reached is None else marker.after(self._reached)
        self._covered = len(self._held)
        self._commit_if_due()

    def flush(self, *, idle: bool) -> None:
        """Commit what waits for it; where there are no cuts, flush the sink from time to time."""
        if self._source.keeps_cuts:
            self._commit_if_due()
        elif self._unflushed:
            now = perf_counter_ns()
            if idle or now - self._flushed_at >= _FLUSH_EVERY_NS:
                self._sink.flush()
                self._unflushed = False
                self._flushed_at = now

    def _commit_if_due(self) -> None:
        if perf_counter_ns() >= self._committed_at + self._interval / 2:
            self.commit()

    def commit(self) -> None:
        """Make all cuts safe that have come to their turn."""
        marker, self._reached = self._reached, None
        if marker is None or self.failed:
            return
        lanes = {lane: it for lane, it in marker.cuts.items() if self._intake.holds(lane)}
        cuts = {lane.number: it.cut for lane, it in lanes.items()}
        start = perf_counter_ns()
        try:
            if self._exactly_once:
                self._source.confirm(cuts.keys())
                _refuse_torn(lanes)
                self._write_covered()
                self._write_notes(lanes)
                self._sink.commit(cuts, marker.membership)
            else:
                self._sink.flush()
                self._source.commit(cuts)
        except CommitError as error:
            self._tally.commits["failed"] += 1
            self._journal.commit_failed(sorted(cuts), error)
            if self._exactly_once and self._stopping():
                # To begin anew may take as long as the brokers are away. Nor may what is left of
                # this transaction be committed with a later cut: it is not known what it is.
                self.failed = True
            elif self._exactly_once:
                self.start_over()
            for lane in lanes:
                lane.changed = True
            return
        self._committed_at = perf_counter_ns()
        self._tally.committed(int(self._committed_at) - start)
        for lane, it in lanes.items():
            lane.committed(it.cut, it.fates)

    def _write_notes(self, lanes: Mapping[Lane, Marked]) -> None:
        for lane, marked in lanes.items():
            if marked.carried is not None:
                self._sink.carry(lane.number, write_notes(marked.cut, marked.carried))

    def _write_covered(self) -> None:
        covered, self._held = self._held[: self._covered], self._held[self._covered :]
        self._covered = 0
        for write in covered:
            write()

    def start_over(self) -> None:
        """Take back all that no cut covers, and go on from the stored cuts."""
        self._outbox.void()
        self._held.clear()
        self._covered = self._outstanding = 0
        self._reached = None
        self._sink.abort()
        self._intake.forget(list(self._intake.lanes))
        # While partition numbers are shared out, the source tells by itself where each goes on.
        if not self._sharing and not self._stopping():
            self._source.rewind()

    def share_out(self) -> None:
        """Note that partition numbers are being shared out anew; nothing is read meanwhile."""
        self._sharing = True

    def give_up(self) -> None:
        """Note that what is in flight cannot be committed any more."""
        if self._exactly_once:
            self.start_over()

    def assigned(self) -> None:
        """Note that partition numbers have been shared out."""
        self._sharing = False


def _refuse_torn(lanes: Iterable[Lane]) -> None:
    # If the log had answered with old cuts, that would have been found by now.
    for lane in lanes:
        if lane.torn is not None:
            raise RunError(
                f"partition number {lane.number}: {lane.torn}, so nothing consistent can be "
                "restored: something else writes there, or it was made anew. Give this pipeline a "
                "`carry` topic of its own, and choose another `group`"
            )
