"""Keeps score of the predictions while they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Final

import numpy as np

from sensorium.events import AlignedSet, Event, Prediction
from sensorium.hookspecs import hookimpl

__all__ = ["Scoreboard", "Shown"]

_SHOWN: Final = 12
#: Over how many of the newest predictions the latency is shown while it runs.
_NEWEST: Final = 500


@dataclass(frozen=True, slots=True)
class Shown:
    """A prediction as it is shown.

    Parameters
    ----------
    key, time
        The entity, and when the window began, in ns since the start.
    label, score
        What the model says, and how sure it is.
    truth
        What it was.
    streams
        The streams that were there.
    """

    key: str
    time: int
    label: str
    score: float
    truth: str
    streams: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """``right`` or ``wrong``."""
        return "right" if self.label == self.truth else "wrong"


class Scoreboard:
    """Counts right and wrong; a plugin that observes events and sets, as any may.

    It is written to by the thread that runs the pipeline, and may be read from another.

    Parameters
    ----------
    task
        The task that is scored.
    truth
        The label that a set of a key and time ought to get.
    start, end
        The first event time and the last log time of the recording, in ns since the epoch.
    clock
        Nanoseconds that only go forward.
    """

    def __init__(
        self,
        task: str,
        truth: Callable[[str, int], str],
        start: int,
        end: int,
        clock: Callable[[], int] = perf_counter_ns,
    ) -> None:
        self._task = task
        self._truth = truth
        self._start = start
        self._end = end
        self._clock = clock
        self._began: int | None = None
        self._now = start
        self._settled: dict[str, int] = {}
        self._latencies: deque[int] = deque(maxlen=_NEWEST)
        self.newest: deque[Shown] = deque(maxlen=_SHOWN)
        """The newest predictions."""
        self.sets: list[AlignedSet] = []
        """Every set that was predicted."""
        self.events = 0
        """How many events were read."""
        self.right = 0
        """How many predictions were right."""
        self.lag = 0
        """How far the log was ahead of the end of the newest predicted window, in ns."""

    @hookimpl
    def sensorium_on_events(self, pipeline: str, events: Sequence[Event]) -> None:
        """Count events, and note how far the log has been read."""
        if self._began is None:
            self._began = self._clock()
        self.events += len(events)
        self._now = max(self._now, max((event.arrived or 0 for event in events), default=0))

    @hookimpl
    def sensorium_on_sets(self, pipeline: str, sets: Sequence[AlignedSet]) -> None:
        """Note when sets were settled."""
        now = self._clock()
        for aligned in sets:
            self._settled[aligned.id] = now

    def take(self, predictions: Sequence[Prediction], sets: Sequence[AlignedSet]) -> None:
        """Take predictions that have been made, with the set of each."""
        now = self._clock()
        for prediction, aligned in zip(predictions, sets, strict=True):
            result = prediction.tasks[self._task]
            shown = Shown(
                key=prediction.key,
                time=prediction.time - self._start,
                label=result.label or "",
                score=result.score or 0.0,
                truth=self._truth(prediction.key, prediction.time),
                streams=tuple(sorted(prediction.members)),
            )
            self.right += shown.label == shown.truth
            self.newest.append(shown)
            self.sets.append(aligned)
            self.lag = max(0, self._now - aligned.end)
            if (settled := self._settled.pop(aligned.id, None)) is not None:
                self._latencies.append(now - settled)

    @property
    def predictions(self) -> int:
        """How many predictions there are."""
        return len(self.sets)

    @property
    def accuracy(self) -> float | None:
        """The share that was right, so far; None before the first."""
        return self.right / len(self.sets) if self.sets else None

    @property
    def elapsed(self) -> int:
        """How much of the recording has been read, in ns."""
        return self._now - self._start

    @property
    def progress(self) -> float:
        """The same as a share."""
        return min(1.0, self.elapsed / max(1, self._end - self._start))

    @property
    def events_per_s(self) -> float:
        """Events per second of the wall clock, so far."""
        if self._began is None:
            return 0.0
        return self.events * 1e9 / max(1, self._clock() - self._began)

    @property
    def latency_ms(self) -> float | None:
        """The median time from a settled set to its prediction, lately; None before the first."""
        latencies = list(self._latencies)
        return float(np.median(latencies)) / 1e6 if latencies else None
