"""Limits to what an aligner holds, and what goes first when one is exceeded."""

from __future__ import annotations

from collections import OrderedDict

from sensorium.align._size import EVENT_BYTES, value_bytes
from sensorium.align._state import KeyState
from sensorium.durations import INFINITY, Duration
from sensorium.errors import AlignmentError
from sensorium.plugin import Entry

__all__ = ["Memory", "checked_limit", "memory_for"]


class Memory:
    """The pending events of all keys, those that have been pending longest first.

    Parameters
    ----------
    max_events, max_bytes
        How many events may be pending, and how many bytes they may hold by `value_bytes`.
    """

    __slots__ = ("_bytes", "_entries", "_max_bytes", "_max_events")

    def __init__(self, max_events: Duration, max_bytes: Duration) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._bytes = 0
        #: Per entry its key and its bytes. A plain dict finds its first item slowly once many
        #: have been taken out before it.
        self._entries: OrderedDict[Entry, tuple[KeyState, int]] = OrderedDict()

    def take(self, entry: Entry, key: KeyState) -> None:
        """An entry is pending from now on."""
        size = 0
        if self._max_bytes != INFINITY:
            size = EVENT_BYTES + value_bytes(entry.event.value)
            self._bytes += size
        self._entries[entry] = (key, size)

    def drop(self, entry: Entry) -> None:
        """An entry is pending no more."""
        self._bytes -= self._entries.pop(entry)[1]

    def __contains__(self, entry: Entry) -> bool:
        return entry in self._entries

    @property
    def exceeded(self) -> bool:
        """Whether a limit is exceeded."""
        return len(self._entries) > self._max_events or self._bytes > self._max_bytes

    def first(self) -> tuple[Entry, KeyState]:
        """The entry that has been pending longest, and its key."""
        entry, (key, _) = next(iter(self._entries.items()))
        return entry, key


def memory_for(max_events: int | None, max_bytes: int | None) -> Memory | None:
    """What enforces these limits; None where there is none."""
    events = checked_limit("max_pending_events", max_events)
    size = checked_limit("max_pending_bytes", max_bytes)
    return None if events == size == INFINITY else Memory(events, size)


def checked_limit(name: str, limit: int | None) -> Duration:
    """A limit as a number; infinity for None.

    Raises
    ------
    AlignmentError
        If it is less than 1.
    """
    if limit is None:
        return INFINITY
    if limit < 1:
        raise AlignmentError(f"{name} is {limit}; it has to be at least 1, or None for no limit")
    return limit
