"""What belongs together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sensorium.events._event import Event
from sensorium.events._fate import Absence
from sensorium.sealed import sealed

__all__ = ["AlignedSet"]


@sealed
@dataclass(frozen=True, slots=True)
class AlignedSet:
    """The events of one entity that belong together, and what is absent and why.

    Parameters
    ----------
    key
        The entity.
    time
        Event time of the set, in ns since the epoch: the primary's, the window's start, or the
        newest member's.
    members
        Per stream that is there, its events in the order of their times.
    absent
        Per stream that is not there, the reason.
    unsettled
        Streams that had not settled when the deadline forced the set out: another member, or a
        better one, might still have come.
    revision
        0, or 1 for a revision that a policy sends after it.
    id
        A digest of (pipeline, key, anchor, revision): the same set has the same id in every run.
    start, end
        The span of event time that the set covers, in ns, ``[start, end)`` for windows.
    """

    key: str
    time: int
    members: Mapping[str, tuple[Event, ...]]
    absent: Mapping[str, Absence] = field(default_factory=dict)
    unsettled: frozenset[str] = frozenset()
    revision: int = 0
    id: str = ""
    start: int = 0
    end: int = 0
