"""The demo on Ray Serve, and what both executors give."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import RunError
from sensorium.events import AlignedSet, Event, Prediction
from sensorium.host import Pipeline
from sensorium.plugin import Sink
from sensorium.runtime import RunSummary, stop_on_signals

if TYPE_CHECKING:
    from sensorium.demo._scoreboard import Scoreboard
    from sensorium.demo._show import Display

__all__ = ["Comparison", "NoRayError", "compare", "placed_apart", "stream_on_serve"]


class NoRayError(RunError):
    """No Ray can be started here."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two executors gave for the same recording.

    Parameters
    ----------
    predictions
        How many there are in both.
    only_one
        How many sets only one of them predicted.
    labels
        How many labels differ.
    score
        The largest difference of scores.
    local_accuracy, local_events_per_s, local_latency_p50_ms
        What the executor local gave by itself.
    """

    predictions: int
    only_one: int
    labels: int
    score: float
    local_accuracy: float | None = None
    local_events_per_s: float = 0.0
    local_latency_p50_ms: float | None = None

    def rows(self) -> list[tuple[str, str]]:
        """Names and values as they are shown to people."""
        return [
            ("serve and local, sets in both", f"{self.predictions:,}"),
            ("serve and local, sets in one", f"{self.only_one:,}"),
            ("serve and local, labels that differ", f"{self.labels:,}"),
            ("serve and local, scores within", f"{self.score:.1e}"),
            ("local, accuracy", _shown(self.local_accuracy, ".3f")),
            ("local, events per second", f"{self.local_events_per_s:,.0f}"),
            ("local, latency p50", _shown(self.local_latency_p50_ms, ".1f", " ms")),
        ]


def compare(
    ones: Sequence[Prediction],
    others: Sequence[Prediction],
    task: str,
    accuracy: float | None = None,
    run: RunSummary | None = None,
) -> Comparison:
    """Compare the predictions of two runs, by the identity of their sets.

    Parameters
    ----------
    ones, others
        Of the executors serve and local.
    task
        Whose outputs are compared.
    accuracy, run
        Of local.
    """
    left = {it.id: it.tasks[task] for it in ones}
    right = {it.id: it.tasks[task] for it in others}
    both = left.keys() & right.keys()
    return Comparison(
        predictions=len(both),
        only_one=len(left.keys() ^ right.keys()),
        labels=sum(left[it].label != right[it].label for it in both),
        score=max((_distance(left[it].scores, right[it].scores) for it in both), default=0.0),
        local_accuracy=accuracy,
        local_events_per_s=0.0 if run is None else run.events_per_s,
        local_latency_p50_ms=None if run is None else run.latency_p50_ms,
    )


def placed_apart(pipeline: Pipeline) -> Pipeline:
    """The same pipeline with a deployment for every stream and one for the fusion."""
    apart: dict[str, Any] = {"placement": "replica"}
    config = pipeline.config
    streams = {name: part.model_copy(update=apart) for name, part in config.streams.items()}
    fusion = config.fusion.model_copy(update=apart)
    return replace(
        pipeline, config=config.model_copy(update={"streams": streams, "fusion": fusion})
    )


def stream_on_serve(
    pipeline: Pipeline,
    recording: Path,
    speed: float | str,
    sink: Sink,
    board: Scoreboard,
    display: Display,
    attempts: int,
) -> RunSummary:
    """Run the demo's recording on a Ray of its own.

    Parameters
    ----------
    pipeline, recording, speed
        What is run.
    sink, board, display
        What is told of it.
    attempts
        How often to try to start Ray, which gives up where its agents are slow.

    Raises
    ------
    NoRayError
        If none can be started.
    """
    apart = placed_apart(pipeline)
    display.say("starting Ray, which takes some 10 to 30 seconds")
    began = time.monotonic()
    seen: set[tuple[str, str, str]] = set()
    with ExitStack() as closing:
        try:
            from sensorium.runtime.serve import ServeExecutor, cluster, demand

            there = closing.enter_context(cluster(None, demand(apart)["CPU"], attempts))
        except Exception as error:  # Ray fails in many ways
            raise NoRayError(str(error).partition("\n")[0] or type(error).__name__) from error
        update = closing.enter_context(display.watching(board))

        def ready(replicas: Mapping[str, int]) -> None:
            shown = ", ".join(f"{name} {count}" for name, count in sorted(replicas.items()))
            display.say(f"deployments after {time.monotonic() - began:.1f} s: {shown}")
            # From here on it counts how fast events are read.
            board.sensorium_on_events(pipeline.name, [])

        def take(predictions: Sequence[Prediction], sets: Sequence[AlignedSet]) -> None:
            # The hooks that the board observes are called in another process: what has been read
            # is seen from the sets.
            board.sensorium_on_events(pipeline.name, _fresh(sets, seen))
            board.take(predictions, sets)
            update()

        executor = ServeExecutor(
            apart,
            there,
            data=recording,
            speed=str(speed),
            sink=sink,
            on_predictions=take,
            on_ready=ready,
        )
        with stop_on_signals(executor):
            return executor.run()


def _fresh(sets: Sequence[AlignedSet], seen: set[tuple[str, str, str]]) -> list[Event]:
    """The members that no set before had."""
    members = [it for aligned in sets for events in aligned.members.values() for it in events]
    fresh = {(it.stream, it.key, it.id): it for it in members}
    for identity in fresh.keys() & seen:
        del fresh[identity]
    seen.update(fresh)
    return list(fresh.values())


def _distance(one: Mapping[str, float] | None, other: Mapping[str, float] | None) -> float:
    if one is None or other is None:
        return 0.0 if one is other else float("inf")
    return max(abs(one[label] - other[label]) for label in one)


def _shown(value: float | None, form: str, unit: str = "") -> str:
    return "-" if value is None else f"{value:{form}}{unit}"
