"""When what has been written is safe: cuts are committed in their turn."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Final

from sensorium.durations import INFINITY, Duration
from sensorium.errors import CommitError
from sensorium.observe import Journal
from sensorium.plugin import Sink, Source
from sensorium.runtime._intake import Intake
from sensorium.runtime._lane import Marker
from sensorium.runtime._outbox import Outbox
from sensorium.runtime._summary import Tally

__all__ = ["Delivery"]

#: How often a sink is flushed where there are no cuts.
_FLUSH_EVERY_NS: Final = 1_000_000_000
#: How often cuts are committed where the pipeline does not say.
_COMMIT_NS: Final = 1_000_000_000
_COMMIT_NS_EXACTLY_ONCE: Final = 100_000_000


class Delivery:
    """Marks cuts, commits each when all that it covers has been written, and starts over if not.

    At least once: the sink is flushed, then the source stores the cuts. Exactly once: the sink
    commits what was written and the cuts as one; where that fails, all that was written since is
    taken back and every partition number goes on from its stored cut. Where the source keeps no
    cuts, the sink is flushed when nothing comes, and each second.

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
    ) -> None:
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
        self._outstanding: Marker | None = None
        self._unflushed = False
        self._flushed_at = 0
        self._sharing = False

    def begin(self) -> None:
        """Make ready to write; called once."""
        if self._exactly_once:
            self._sink.begin(self._source.member)

    def wrote(self) -> None:
        """Note that the sink was given something."""
        self._unflushed = True

    def patience(self) -> float:
        """How long until the next cut is due, in ns."""
        if not self._source.keeps_cuts or self._outstanding is not None:
            return INFINITY
        return max(self._marked_at + self._interval - perf_counter_ns(), 0)

    def mark(self, *, now: bool = False) -> None:
        """Put a cut into the outbox if one is due and there is news.

        Called between polls: everything that was read has been aligned, and all that settled is
        in the outbox.
        """
        if not self._source.keeps_cuts or (self.patience() > 0 and not now):
            return
        self._marked_at = perf_counter_ns()
        marker = self._intake.mark()
        if marker is not None:
            self._outstanding = marker
            self._outbox.add_marker(marker)

    def commit(self, marker: Marker) -> None:
        """Make a marker's cuts safe: it has come to its turn."""
        if marker is self._outstanding:
            self._outstanding = None
        lanes = {lane: it for lane, it in marker.cuts.items() if self._intake.holds(lane)}
        cuts = {lane.number: cut for lane, (cut, _) in lanes.items()}
        start = perf_counter_ns()
        try:
            if self._exactly_once:
                self._sink.commit(cuts, marker.membership)
            else:
                self._sink.flush()
                self._source.commit(cuts)
        except CommitError as error:
            self._tally.commits["failed"] += 1
            self._journal.commit_failed(sorted(cuts), error)
            if self._exactly_once:
                self.start_over()
            for lane in lanes:
                lane.changed = True
            return
        self._unflushed = False
        self._tally.committed(perf_counter_ns() - start)
        for lane, (cut, fates) in lanes.items():
            lane.committed(cut, fates)

    def flush(self, *, idle: bool) -> None:
        """Flush the sink from time to time, where no cut does."""
        if self._source.keeps_cuts or not self._unflushed:
            return
        now = perf_counter_ns()
        if idle or now - self._flushed_at >= _FLUSH_EVERY_NS:
            self._sink.flush()
            self._unflushed = False
            self._flushed_at = now

    def start_over(self) -> None:
        """Take back all that no cut covers, and go on from the stored cuts."""
        self._outbox.void()
        self._outstanding = None
        self._sink.abort()
        self._intake.forget(list(self._intake.lanes))
        # While partition numbers are shared out, the source tells by itself where each goes on.
        if not self._sharing:
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
