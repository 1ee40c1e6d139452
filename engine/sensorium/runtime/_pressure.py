"""Back-pressure: what is not read while there is too much in flight, or a stream runs ahead."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from sensorium.durations import Duration
from sensorium.plugin import Source, TopicPartition
from sensorium.runtime._intake import Intake
from sensorium.runtime._lane import Lane
from sensorium.runtime._outbox import Outbox
from sensorium.runtime._summary import Tally

__all__ = ["Pressure"]


class Pressure:
    """Pauses topic-partitions; a source that cannot pause any is not polled instead.

    Parameters
    ----------
    source, intake, outbox, tally
        Of the line.
    sets, bytes_
        How many sets may wait or be in flight, and how many bytes their values may hold; reading
        goes on when both are down to half of it.
    max_lead
        How far a topic-partition may be ahead of the others of its number, in log time, ns.
    """

    def __init__(
        self,
        source: Source,
        intake: Intake,
        outbox: Outbox,
        tally: Tally,
        *,
        sets: int,
        bytes_: int,
        max_lead: Duration,
    ) -> None:
        self._source = source
        self._intake = intake
        self._outbox = outbox
        self._tally = tally
        self._most_sets = sets
        self._most_bytes = bytes_
        self._max_lead = max_lead
        self._full = False
        self._paused: AbstractSet[TopicPartition] = frozenset()

    def admits(self) -> bool:
        """Pause what has to be; gives whether the source may be polled."""
        if not self._source.pause(self._paused):
            return not self._outbox.held_up and not self._over(1)
        self._full = self._over(2 if self._full else 1)
        paused = self._intake.places if self._full else self._ahead()
        if paused != self._paused:
            self._source.pause(paused)
            self._paused = paused
        self._tally.paused = len(paused)
        return True

    def _over(self, part: int) -> bool:
        """Whether as much is in flight as the limits, or this part of them, allow."""
        outbox = self._outbox
        return outbox.sets * part >= self._most_sets or outbox.bytes * part >= self._most_bytes

    def _ahead(self) -> AbstractSet[TopicPartition]:
        return {
            place
            for lane in self._intake.lanes.values()
            for place in (lane.finished if lane.replaying else self._leading(lane))
        }

    def _leading(self, lane: Lane) -> AbstractSet[TopicPartition]:
        log_times = lane.log_times
        if len(log_times) < len(list(lane.places)):
            return frozenset()  # one has not been heard of: nothing is ahead of it yet
        limit = min(log_times.values()) + self._max_lead
        return {place for place, log_time in log_times.items() if log_time > limit}
