"""The policy `window`: all events in a tumbling, hopping or session window."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import ClassVar

from pydantic import Field, model_validator

from sensorium.align._require import required_streams
from sensorium.align._session import SessionMatcher
from sensorium.durations import INFINITY, Duration, DurationField
from sensorium.events import Event, Fate
from sensorium.plugin import Entry, Matcher, Policy, Settled, StreamSpec, View

__all__ = ["Window", "event_time"]


class Window(Policy):
    """A set is all events in one window of event time.

    Parameters
    ----------
    size
        How long a tumbling or hopping window is; windows are ``[start, start + size)``.
    hop
        How far the starts lie apart; the default is `size` (tumbling).
    offset
        Windows start at ``offset + k * hop``.
    gap
        Of session windows, instead of `size`: a session goes on while the next event's time is at
        most `gap` after the latest end so far.
    max_length
        Sessions are always cut at epoch multiples of this.
    """

    name: ClassVar[str] = "window"
    distinct: ClassVar[bool] = False

    size: DurationField | None = Field(default=None, gt=0, lt=INFINITY)
    hop: DurationField | None = Field(default=None, gt=0, lt=INFINITY)
    offset: DurationField = Field(default=0, lt=INFINITY)
    gap: DurationField | None = Field(default=None, ge=0, lt=INFINITY)
    max_length: DurationField | None = Field(default=None, gt=0, lt=INFINITY)

    @model_validator(mode="after")
    def _one_kind(self) -> Window:
        session = self.gap is not None or self.max_length is not None
        if session and (self.size is not None or self.hop is not None or self.offset):
            raise ValueError("a window has size, hop and offset, or gap and max_length, not both")
        if not session and self.size is None:
            raise ValueError("a window needs size, or gap and max_length (a session)")
        if session and (self.gap is None or self.max_length is None):
            raise ValueError("a session needs both gap and max_length")
        return self

    def extent(self, max_duration: Duration) -> Duration:
        if self.size is None:
            assert self.max_length is not None
            return self.max_length
        return self.size + max_duration

    def matcher(self, streams: Sequence[str], specs: Sequence[StreamSpec]) -> Matcher:
        required = required_streams(self, streams)
        if self.size is None:
            assert self.gap is not None
            assert self.max_length is not None
            return SessionMatcher(
                len(streams), required, int(self.gap), int(self.max_length), self.deadline
            )
        size = int(self.size)
        hop = size if self.hop is None else int(self.hop)
        return _WindowMatcher(len(streams), required, size, hop, int(self.offset), self.deadline)


def event_time(entry: Entry) -> int:
    """What entries are ordered by."""
    return entry.event.time


class _WindowMatcher(Matcher):
    __slots__ = (
        "_deadline", "_evicted", "_hop", "_offset", "_required", "_size", "_starts", "_streams",
        "_windows",
    )  # fmt: skip

    def __init__(
        self,
        streams: int,
        required: frozenset[int],
        size: int,
        hop: int,
        offset: int,
        deadline: Duration,
    ) -> None:
        self._streams = streams
        self._required = required
        self._size = size
        self._hop = hop
        self._offset = offset
        self._deadline = deadline
        #: Per start of an open window, its entries by stream; and the starts in order.
        self._windows: dict[int, dict[int, list[Entry]]] = {}
        self._starts: list[int] = []
        #: The latest window that was given up: none before it begins anew.
        self._evicted: Duration = -INFINITY

    @property
    def idle(self) -> bool:
        return not self._windows

    def add(self, stream: int, entry: Entry, view: View) -> bool:
        windows = self._windows
        first = self._starts[0] if windows else None
        for start in self._starts_over(entry.event):
            if entry.arrived > start + self._size + self._deadline:
                entry.mark(Fate.LATE)
                continue
            window = windows.get(start)
            if window is None:
                if start <= self._evicted:
                    entry.mark(Fate.EVICTED)
                    continue
                window = windows[start] = {}
                insort(self._starts, start)
            entries = window.get(stream)
            if entries is None:
                window[stream] = [entry]
            elif entries[-1].event.time > entry.event.time:
                insort(entries, entry, key=event_time)
            else:
                entries.append(entry)
            entry.pending += 1
        if not entry.pending:
            view.release(entry)
            return False
        # Only the first window is waited for.
        return self._starts[0] != first

    def _starts_over(self, event: Event) -> range:
        """Starts of the windows that the event overlaps."""
        offset, hop = self._offset, self._hop
        first = event.time - offset
        last = first + event.duration - 1 if event.duration else first
        start = ((first - self._size) // hop + 1) * hop
        return range(offset + start, offset + last + 1, hop)

    def settle(self, view: View) -> Iterable[Settled]:
        settled: list[Settled] = []
        # Windows close in the order of their ends: what keeps one open keeps all later ones.
        while self._starts:
            start = self._starts[0]
            unsettled = self._unsettled(start + self._size, view)
            if unsettled is None:
                break
            del self._starts[0]
            window = self._windows.pop(start)
            wanted = window.keys() >= self._required
            for entries in window.values():
                for entry in entries:
                    if wanted:
                        entry.fate = Fate.MATCHED
                    entry.pending -= 1
                    if not entry.pending:
                        view.release(entry)
            if wanted:
                settled.append(Settled(start, start, start, start + self._size, window, unsettled))
        return settled

    def evict(self, entry: Entry, view: View) -> None:
        for start in self._starts_over(entry.event):
            window = self._windows.pop(start, None)
            if window is None:
                continue
            del self._starts[bisect_left(self._starts, start)]
            self._evicted = max(self._evicted, start)
            for entries in window.values():
                for one in entries:
                    one.mark(Fate.EVICTED)
                    one.pending -= 1
                    if not one.pending:
                        view.release(one)

    def held(self) -> Iterable[Entry]:
        windows = self._windows.values()
        entries = (one for window in windows for part in window.values() for one in part)
        return dict.fromkeys(entries)

    def _unsettled(self, end: int, view: View) -> frozenset[int] | None:
        """Streams that the deadline overtook; None while one may still add to the window."""
        deadline = end + self._deadline
        unsettled = []
        for stream in range(self._streams):
            if view.open(stream, -INFINITY, end - 1, deadline):
                if not view.passed(stream, deadline):
                    return None
                unsettled.append(stream)
        return frozenset(unsettled)
