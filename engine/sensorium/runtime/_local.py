"""The local executor: the whole line in one process, the models on threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING

from sensorium.observe import Health, Reading
from sensorium.plugin import Sink, Source
from sensorium.runtime._flight import ThreadFlight
from sensorium.runtime._line import Line, OnPredictions
from sensorium.runtime._microbatch import Microbatch, Worked
from sensorium.runtime._model import Models, load_models
from sensorium.runtime._summary import RunSummary
from sensorium.stages import Encoder, Fuser

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
    clock, until_end, on_predictions, health
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
    ) -> None:
        models = models or load_models(pipeline)
        runtime = pipeline.config.runtime
        size, pad = runtime.batch.size, runtime.batch.pad
        tasks = {name: part.task for name, part in pipeline.tasks.items()}
        sizes = {name: part.batch_size for name, part in pipeline.streams.items()}
        self._encoder = Encoder(models.modalities, sizes, size, pad)
        self._fuser = Fuser(models.fusion, tasks, size, pad)
        # One more than the threads, so that the next micro-batch is at hand when one is done.
        flight = ThreadFlight(self._work, runtime.threads, runtime.threads + 1)
        self._line = Line(
            pipeline,
            host,
            source,
            sink,
            flight,
            model=models.digest,
            clock=clock,
            until_end=until_end,
            on_predictions=on_predictions,
            health=health,
        )

    def run(self) -> RunSummary:
        """Run until the source ends or `stop` is called; see `Executor.run`."""
        return self._line.run()

    def stop(self, *, now: bool = False) -> None:
        """Stop the intake; see `Executor.stop`."""
        self._line.stop(now=now)

    def readings(self) -> list[Reading]:
        """The metrics as they are now; may be called from any thread."""
        return self._line.readings()

    def _work(self, batch: Microbatch) -> Worked:
        """Encode and fuse; runs on a thread."""
        start = perf_counter_ns()
        encoded = self._encoder.encode(batch.sets)
        middle = perf_counter_ns()
        fused = self._fuser.fuse(encoded)
        end = perf_counter_ns()
        letters = encoded.letters(batch.sets) + fused.letters(batch.sets)
        marked = Microbatch(encoded.mark(batch.sets), batch.settled, batch.read)
        return Worked(marked, fused, letters, middle - start, end - middle)
