"""Sets that wait for one stream, found again when its bound or log time has moved."""

from __future__ import annotations

from collections.abc import Container, Sequence
from heapq import heappop, heappush

from sensorium.durations import INFINITY, Duration
from sensorium.plugin import View

__all__ = ["NEVER", "Waiting"]

#: Beyond every event time; only the bound of a closed stream passes it.
NEVER = 2**63


class Waiting:
    """The anchors of one key that wait for one stream.

    Each waits with a witness: a time at which an event that would change the set can still come.
    As long as the stream's bound has not passed the witness, and nothing was added at it, the
    set cannot have settled and need not be looked at. An anchor may stand here more than once;
    whoever takes it out looks again.
    """

    __slots__ = ("_by_deadline", "_by_witness")

    def __init__(self) -> None:
        self._by_witness: list[tuple[Duration, int]] = []
        self._by_deadline: list[tuple[Duration, int]] = []

    def push(self, anchor: int, witness: Duration, deadline: Duration) -> None:
        """Let an anchor wait."""
        heappush(self._by_witness, (witness, anchor))
        if deadline != INFINITY:
            heappush(self._by_deadline, (deadline, anchor))

    def due(self, stream: int, open_anchors: Container[int], view: View) -> Sequence[int]:
        """Take out the anchors whose witness or deadline the stream has passed."""
        waiting = self._by_witness
        while waiting and waiting[0][1] not in open_anchors:
            heappop(waiting)
        if not waiting and not self._by_deadline:
            return ()
        anchors: list[int] = []
        if waiting:
            bound = view.bound(stream)
            while waiting and waiting[0][0] < bound:
                anchors.append(heappop(waiting)[1])
        deadlines = self._by_deadline
        while deadlines and view.passed(stream, deadlines[0][0]):
            anchors.append(heappop(deadlines)[1])
        if waiting:
            # Whoever woke this key used up its place with the stream: ask for another call.
            view.wake(stream, waiting[0][0], deadlines[0][0] if deadlines else INFINITY)
        return anchors
