"""A recording of the demo, played through the executors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sensorium.demo._scoreboard import Scoreboard
from sensorium.demo._serve import Comparison, NoRayError, compare, stream_on_serve
from sensorium.demo._show import Display, Silent
from sensorium.events import AlignedSet, DeadLetter, Prediction
from sensorium.host import Pipeline, PluginHost
from sensorium.plugin import PluginConfig, Sink
from sensorium.runtime import LocalExecutor, Models, RunSummary, stop_on_signals

__all__ = ["Play"]


class _Kept(Sink):
    """Keeps the predictions, so that those of two runs can be compared."""

    name = "kept"

    def __init__(self) -> None:
        super().__init__(PluginConfig())
        self.predictions: list[Prediction] = []

    def write(self, predictions: Sequence[Prediction]) -> None:
        self.predictions += predictions

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


@dataclass
class Play:
    """One showing.

    Parameters
    ----------
    pipeline, models, recording, task
        What is shown.
    board, unseen
        The scores of what is shown, and of the executor local beside it.
    display
        Where.
    """

    pipeline: Pipeline
    models: Models
    recording: Path
    task: str
    board: Scoreboard
    unseen: Scoreboard
    display: Display
    executor: str = "local"
    """What ran it."""

    def run(
        self, executor: str, speed: float | Literal["max"]
    ) -> tuple[RunSummary, Comparison | None]:
        """Run it on the executor, and on Ray Serve compare it with the other."""
        pipeline, recording, shown = self.pipeline, self.recording, _Kept()
        if executor != "local":
            try:
                summary = stream_on_serve(
                    pipeline,
                    recording,
                    speed,
                    shown,
                    self.board,
                    self.display,
                    # Who has asked for Ray waits longer for it.
                    attempts=2 if executor == "auto" else 3,
                )
            except NoRayError as error:
                if executor != "auto":
                    raise
                self.display.warn(f"no Ray can be started here ({error}): going on in one process")
            else:
                self.executor = "serve"
                return summary, None if summary.stopped else self._compare(shown)
        return _stream(
            pipeline, self.models, recording, speed, shown, self.board, self.display
        ), None

    def _compare(self, shown: _Kept) -> Comparison:
        local, board = _Kept(), self.unseen
        alone = _stream(self.pipeline, self.models, self.recording, "max", local, board, Silent())
        ones, others = shown.predictions, local.predictions
        return compare(ones, others, self.task, board.accuracy, alone)


def _stream(
    pipeline: Pipeline,
    models: Models,
    recording: Path,
    speed: float | str,
    sink: Sink,
    board: Scoreboard,
    display: Display,
) -> RunSummary:
    host = PluginHost(modules=[board])
    source = host.sources["mcap"]
    topics = [part.topic for part in pipeline.streams.values()]
    config = source.Config.model_validate({"path": str(recording), "speed": speed})
    with display.watching(board) as update:

        def take(predictions: Sequence[Prediction], sets: Sequence[AlignedSet]) -> None:
            board.take(predictions, sets)
            update()

        executor = LocalExecutor(
            pipeline,
            host,
            source(config, topics),
            sink,
            models=models,
            on_predictions=take,
        )
        with stop_on_signals(executor):
            return executor.run()
