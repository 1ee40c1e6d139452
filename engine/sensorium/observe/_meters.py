"""What a run counts for its metrics beside its summary: plain numbers, written by one thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from sensorium.events import AlignedSet, DeadLetter
from sensorium.observe._definitions import METRICS
from sensorium.observe._histogram import Histogram
from sensorium.observe._reading import Reading

__all__ = ["STAGES", "Meters"]

#: The stages in the order of the straight line.
STAGES = ("ingest", "align", "encode", "fuse", "emit")
#: The hook at fault where only the stage is known.
_HOOKS = {"ingest": "decode", "encode": "encode", "fuse": "fuse", "emit": "result"}


class Meters:
    """Counts what goes through the line.

    Parameters
    ----------
    streams
        The pipeline's streams.
    hooks
        The plugins' names and the methods of theirs that the line calls.
    """

    def __init__(self, streams: Collection[str], hooks: Iterable[tuple[str, str]] = ()) -> None:
        self._streams = tuple(streams)
        self._seconds = {name: _of("sensorium_stage_seconds") for name in STAGES}
        self._batch_sets = _of("sensorium_batch_sets")
        self._event_latency = _of("sensorium_event_latency_seconds")
        self._arrival_latency = _of("sensorium_arrival_latency_seconds")
        self._commits = _of("sensorium_commit_seconds")
        #: Sets that came back from the models, by how many streams they had.
        self._present = [0] * (len(self._streams) + 1)
        # From 0 on: of a series that begins with its first burst, Prometheus sees no increase.
        self._letters = Counter(dict.fromkeys(_places(self._streams), 0))
        self._errors = Counter(dict.fromkeys(hooks, 0))
        self._launched = 0
        self._landed = 0
        self._fused = 0
        self._predictions = 0
        self._last_prediction: float | None = None

    @property
    def in_flight(self) -> int:
        """How many sets are with the models."""
        return self._launched - self._landed

    def stage(self, name: str, nanoseconds: int) -> None:
        """Count one call of a stage."""
        self._seconds[name].add(nanoseconds / 1e9)

    def launched(self, sets: int) -> None:
        """Count a micro-batch that goes to the models."""
        self._launched += sets
        self._batch_sets.add(sets)

    def landed(self, sets: Sequence[AlignedSet], fused: int) -> None:
        """Count a micro-batch that came back, and how many of its sets were fused."""
        self._landed += len(sets)
        self._fused += fused
        for aligned in sets:
            self._present[len(aligned.members)] += 1

    def predicted(
        self, sets: Sequence[AlignedSet], now: int, waited: npt.NDArray[np.float64]
    ) -> None:
        """Count predictions that have just been handed to the sink.

        Parameters
        ----------
        sets
            The set of each.
        now
            The clock, in ns since the epoch.
        waited
            Per micro-batch row that was fused, how long ago its newest member was read, in ns.
        """
        self._predictions += len(sets)
        self._last_prediction = now / 1e9
        ends = np.fromiter([aligned.end for aligned in sets], np.float64, len(sets))
        self._event_latency.add_all((now - ends) / 1e9)
        self._arrival_latency.add_all(waited / 1e9)

    def committed(self, nanoseconds: int) -> None:
        """Count a commit that was done."""
        self._commits.add(nanoseconds / 1e9)

    def buried(self, letters: Iterable[DeadLetter]) -> None:
        """Count dead letters, and the plugins that are to blame."""
        for letter in letters:
            self._letters[letter.stage, letter.stream or "-"] += 1
            if letter.plugin is not None:
                hook = letter.hook or _HOOKS.get(letter.stage, letter.stage)
                self._errors[letter.plugin, hook] += 1

    def readings(self) -> list[Reading]:
        """All of it as it is now; called from any thread."""
        found = [
            Reading("sensorium_stage_seconds", (name,), one.copy())
            for name, one in self._seconds.items()
        ]
        flow = {
            "encode": (self._launched, self._landed),
            "fuse": (self._landed, self._fused),
            "emit": (self._fused, self._predictions),
        }
        for name, (into, out) in flow.items():
            found.append(Reading("sensorium_stage_in_total", (name,), into))
            found.append(Reading("sensorium_stage_out_total", (name,), out))
        present = self._present.copy()
        shares = _of("sensorium_set_streams")
        for count, sets in enumerate(present):
            shares.add(count / len(self._streams), sets)
        found += [
            Reading("sensorium_sets_complete_total", (), present[-1]),
            Reading("sensorium_set_streams", (), shares),
            Reading("sensorium_batch_sets", (), self._batch_sets.copy()),
            Reading("sensorium_sets_in_flight", (), self.in_flight),
            Reading("sensorium_predictions_total", (), self._predictions),
            Reading("sensorium_event_latency_seconds", (), self._event_latency.copy()),
            Reading("sensorium_arrival_latency_seconds", (), self._arrival_latency.copy()),
            Reading("sensorium_commit_seconds", (), self._commits.copy()),
        ]
        if self._last_prediction is not None:
            found.append(
                Reading("sensorium_last_prediction_time_seconds", (), self._last_prediction)
            )
        for name, counts in (
            ("sensorium_dead_letters_total", self._letters),
            ("sensorium_plugin_errors_total", self._errors),
        ):
            found += [Reading(name, labels, count) for labels, count in dict(counts).items()]
        return found


def _places(streams: Iterable[str]) -> list[tuple[str, str]]:
    """The stages and streams that a dead letter can be of."""
    own = [(stage, stream) for stage in ("ingest", "encode") for stream in streams]
    return [("ingest", "-"), *own, ("fuse", "-"), ("emit", "-")]


def _of(name: str) -> Histogram:
    return Histogram(METRICS[name].buckets)
