"""The local executor: the whole line in one process, the models on threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sensorium.observe import Health, Journal, Reading
from sensorium.plugin import Sink, Source
from sensorium.runtime._ahead import ahead_of
from sensorium.runtime._flight import ThreadFlight
from sensorium.runtime._line import Line, OnPredictions
from sensorium.runtime._model import Models, load_models
from sensorium.runtime._summary import RunSummary
from sensorium.runtime._work import local_work

if TYPE_CHECKING:
    from sensorium.host import Pipeline, PluginHost

__all__ = ["LocalExecutor"]


class LocalExecutor:
    """Runs a pipeline in this process, once: the line on the calling thread, models on others.

    With ``batch: {pad: true}`` scores do not depend on the timing of threads either.

    Parameters
    ----------
    pipeline, host
        What to run, and the plugins that observe it.
    source, sink
        Where records come from and predictions go; both are closed at the end.
    models
        Loaded plugins; by default they are loaded with the pipeline's checkpoint.
    clock, until_end, on_predictions, health, journal
        As of `Line`.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        host: PluginHost,
        source: Source,
        sink: Sink,
        *,
        models: Models | None = None,
        clock: Callable[[], int] = time.time_ns,
        until_end: bool = False,
        on_predictions: OnPredictions | None = None,
        health: Health | None = None,
        journal: Journal | None = None,
    ) -> None:
        models = models or load_models(pipeline)
        threads = pipeline.config.runtime.threads
        self._work = local_work(pipeline, models)
        # One more than the threads, so that the next micro-batch is at hand when one is done.
        flight = ThreadFlight(self._work, threads, threads + 1)
        self._line = Line(
            pipeline,
            host,
            source,
            sink,
            flight,
            ahead=ahead_of(pipeline, self._work),
            model=models.digest,
            clock=clock,
            until_end=until_end,
            on_predictions=on_predictions,
            health=health,
            journal=journal,
        )

    def run(self) -> RunSummary:
        """Run until the source ends or `stop` is called; see `Executor.run`."""
        return self._line.run()

    def stop(self, *, now: bool = False) -> None:
        """Stop the intake; see `Executor.stop`."""
        self._line.stop(now=now)

    def readings(self) -> list[Reading]:
        """The metrics as they are now; may be called from any thread."""
        return [*self._line.readings(), *self._work.readings()]
