"""What an aligner tells of each event and set, to who wants to explain them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sensorium.align._state import KeyState, StreamState
from sensorium.align._view import KeyView
from sensorium.durations import Duration
from sensorium.events import AlignedSet, Event, Fate
from sensorium.plugin import Entry

__all__ = ["Standing", "Trace", "TracedView"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a stream was, for one key, at some moment.

    Parameters
    ----------
    own
        The bound of this key alone: its newest event less the stream's lateness, or a promise.
    shared
        The bound of every key: the stream's log time less its ``max_delay``, or a promise.
    log_time
        How far the stream had been read.
    """

    own: Duration
    shared: Duration
    log_time: Duration

    @classmethod
    def of(cls, stream: StreamState, key: KeyState) -> Standing:
        """That of now."""
        return cls(key.streams[stream.index].bound, stream.shared_bound, stream.log_time)

    @property
    def bound(self) -> Duration:
        """No event older than this can count."""
        return max(self.own, self.shared)


class Trace(Protocol):
    """Is called by an `Aligner` whenever something is decided; it changes nothing."""

    def refused(self, event: Event, fate: Fate, standing: Standing) -> None:
        """An event got its fate as it came: late, duplicate or invalid."""
        ...

    def released(self, event: Event, fate: Fate) -> None:
        """An event that had been accepted got its fate: no set can use it any more."""
        ...

    def settled(self, aligned: AlignedSet, standing: Mapping[str, Standing]) -> None:
        """A set came out; how far each stream was then."""
        ...


class TracedView(KeyView):
    """A view that tells a trace what is released."""

    __slots__ = ("trace",)

    trace: Trace

    @classmethod
    def of(cls, view: KeyView, trace: Trace) -> TracedView:
        """One that sees what another view, which is new, would."""
        traced = cls(
            view.streams,
            view.deadlines,
            distinct=view.distinct,
            fates=view.fates,
            memory=view.memory,
            late=view.late,
        )
        traced.trace = trace
        return traced

    def release(self, entry: Entry) -> None:
        super().release(entry)
        self.trace.released(entry.event, entry.fate)

    def release_all(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.release(entry)
