"""When what has been written is safe: cuts are committed in their turn."""

from __future__ import annotations

import logging
from time import perf_counter_ns
from typing import Final

from sensorium.durations import INFINITY, Duration
from sensorium.errors import CommitError
from sensorium.plugin import Sink, Source
from sensorium.runtime._intake import Intake
from sensorium.runtime._lane import Marker
from sensorium.runtime._outbox import Outbox
from sensorium.runtime._summary import Tally

__all__ = ["Delivery"]

_LOG = logging.getLogger(__name__)

#: How often a sink is flushed where there are no cuts.
_FLUSH_EVERY_NS: Final = 1_000_000_000


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
    tally
        Where commits are counted.
    exactly_once
        Whether the sink commits the cuts.
    interval
        How far apart cuts are made, in ns.
    """

    def __init__(
        self,
        source: Source,
        sink: Sink,
        intake: Intake,
        outbox: Outbox,
        tally: Tally,
        *,
        exactly_once: bool,
        interval: Duration,
    ) -> None:
        self._source = source
        self._sink = sink
        self._intake = intake
        self._outbox = outbox
        self._tally = tally
        self._exactly_once = exactly_once
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
        try:
            if self._exactly_once:
                self._sink.commit(cuts, marker.membership)
            else:
                self._sink.flush()
                self._source.commit(cuts)
        except CommitError as error:
            self._tally.commits["failed"] += 1
            _LOG.warning("%s", error)
            if self._exactly_once:
                self.start_over()
            for lane in lanes:
                lane.changed = True
            return
        self._unflushed = False
        self._tally.commits["done"] += 1
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

    def start_over(self, *, rewind: bool = True) -> None:
        """Take back all that no cut covers, and go on from the stored cuts.

        Parameters
        ----------
        rewind
            Whether the source has to be told; not while it is sharing out partition numbers,
            since it then tells where each goes on.
        """
        self._outbox.void()
        self._outstanding = None
        self._sink.abort()
        self._intake.forget(list(self._intake.lanes))
        if rewind and not self._sharing:
            self._source.rewind()

    def revoked(self, finished: bool) -> None:
        """Note that partition numbers are being shared out anew; nothing is read meanwhile.

        Parameters
        ----------
        finished
            Whether all that was in flight has been committed.
        """
        self._sharing = True
        if not finished and self._exactly_once:
            self.start_over(rewind=False)

    def assigned(self) -> None:
        """Note that partition numbers have been shared out."""
        self._sharing = False
