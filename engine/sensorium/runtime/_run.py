"""Running a pipeline, as the command line does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.errors import ConfigError
from sensorium.runtime._ends import open_sink, open_source
from sensorium.runtime._line import OnPredictions
from sensorium.runtime._local import LocalExecutor
from sensorium.runtime._model import load_models
from sensorium.runtime._signals import stop_on_signals
from sensorium.runtime._summary import RunSummary

if TYPE_CHECKING:
    from sensorium.host import Pipeline, PluginHost

__all__ = ["run_pipeline"]


def run_pipeline(
    pipeline: Pipeline,
    host: PluginHost,
    *,
    data: Path | None = None,
    sink: str | None = None,
    executor: str | None = None,
    until_end: bool = False,
    speed: str | None = None,
    on_predictions: OnPredictions | None = None,
) -> RunSummary:
    """Run a pipeline until its source ends or a signal comes.

    SIGINT or SIGTERM stops the intake and finishes what is in flight; a second one abandons it.

    Parameters
    ----------
    pipeline, host
        What to run, with which plugins.
    data
        A file to read instead of the pipeline's source: ``.mcap``, ``.jsonl``, or ``-``.
    sink
        ``-`` or a path for JSON lines instead of the pipeline's sink.
    executor
        Instead of the pipeline's ``runtime.executor``.
    until_end
        Whether to end when a source that goes on for ever has been read to its present end.
    speed
        How fast a recording is replayed: ``"max"``, or a factor such as ``"1"``.
    on_predictions
        Called with predictions, and the set of each, when they have been handed to the sink.

    Raises
    ------
    ConfigError
        If source, sink, weights or executor are missing.
    RunError
        If source or sink fails for good.
    """
    chosen = executor or pipeline.config.runtime.executor
    if chosen != "local":
        raise ConfigError(
            f"the executor {chosen!r} is not in this version: set it to `local`",
            path="runtime.executor",
        )
    if pipeline.config.delivery == "exactly_once" and sink is None:
        raise ConfigError(
            "exactly_once is not in this version: set it to at_least_once",
            path="delivery",
        )
    models = load_models(pipeline)
    # The source first: it is apt to be wrong, and nothing is open yet that it would leave behind.
    source = open_source(pipeline, host, data, speed)
    try:
        drain = open_sink(pipeline, host, sink)
    except BaseException:
        source.close()
        raise
    local = LocalExecutor(
        pipeline,
        host,
        source,
        drain,
        models=models,
        until_end=until_end,
        on_predictions=on_predictions,
    )
    with stop_on_signals(local):
        return local.run()
