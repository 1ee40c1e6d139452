"""Running a pipeline, as the command line does."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium import __version__
from sensorium.door import Door
from sensorium.errors import ConfigError
from sensorium.host import DoorConfig, ObserveConfig
from sensorium.observe import Exporter, Health, Journal, Readings
from sensorium.runtime._door import local_predict
from sensorium.runtime._ends import open_sink, open_source, warn_of_moves
from sensorium.runtime._line import OnPredictions
from sensorium.runtime._local import LocalExecutor
from sensorium.runtime._model import Models, load_models
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
    address: str | None = None,
    until_end: bool = False,
    speed: str | None = None,
    observe: ObserveConfig | None = None,
    door: DoorConfig | None = None,
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
    address
        Of the Ray that the executor ``serve`` joins; it starts one of its own if not given.
    until_end
        Whether to end when a source that goes on for ever has been read to its present end.
    speed
        How fast a recording is replayed: ``"max"``, or a factor such as ``"1"``.
    observe
        Where metrics and health are served, instead of the pipeline's ``observe``.
    door
        Where single sets are answered, instead of the pipeline's ``door``.
    on_predictions
        Called with predictions, and the set of each, when they have been handed to the sink.

    Raises
    ------
    ConfigError
        If source, sink, weights or executor are missing, or metrics or the door cannot be served.
    RunError
        If source or sink fails for good.
    """
    chosen = executor or pipeline.config.runtime.executor
    if chosen == "serve":
        # Ray is imported for those who use it.
        from sensorium.runtime.serve import run_on_serve

        return run_on_serve(
            pipeline,
            host,
            address=address,
            data=data,
            sink=sink,
            until_end=until_end,
            speed=speed,
            observe=observe,
            door=door,
            on_predictions=on_predictions,
        )
    if address is not None:
        raise ConfigError("an address is that of a Ray: add `--executor serve`")
    served = observe or pipeline.config.observe
    watched = served or ObserveConfig()
    health = Health(watched.stall_after / 1e9)
    with ExitStack() as closing:
        # Before the models are loaded, which may take long: alive, and not ready.
        exporter = _exporter(pipeline, served, health, chosen)
        if exporter is not None:
            closing.enter_context(exporter)
        open_to = door or pipeline.config.door
        entrance = None if open_to is None else Door(pipeline, open_to)
        if entrance is not None:
            closing.callback(entrance.close)
        journal = Journal(pipeline.name, pipeline.streams, watched.silent_after)
        journal.starting(__version__, chosen, None if exporter is None else exporter.address)
        models = load_models(pipeline)
        journal.model_loaded(models.digest, _names(models))
        if entrance is not None:
            entrance.attach(local_predict(pipeline, models), lambda: models.digest)
        # The source before the sink: it is apt to be wrong.
        source = open_source(pipeline, host, data, speed)
        ends = closing.enter_context(ExitStack())
        ends.callback(source.close)
        drain = open_sink(pipeline, host, sink)
        if sink is not None:
            warn_of_moves(source)
        local = LocalExecutor(
            pipeline,
            host,
            source,
            drain,
            models=models,
            until_end=until_end,
            on_predictions=on_predictions,
            health=health,
            journal=journal,
        )
        # From here on the executor closes both.
        ends.pop_all()
        if exporter is not None:
            exporter.attach(_together(local.readings, entrance))
        with stop_on_signals(local):
            return local.run()


def _names(models: Models) -> list[str]:
    named = [f"{stream}: {modality.name}" for stream, modality in models.modalities.items()]
    return [*named, f"fusion: {models.fusion.name}"]


def _together(readings: Readings, entrance: Door | None) -> Readings:
    if entrance is None:
        return readings
    return lambda: [*readings(), *entrance.readings()]


def _exporter(
    pipeline: Pipeline, observe: ObserveConfig | None, health: Health, executor: str
) -> Exporter | None:
    if observe is None:
        return None
    return Exporter(
        pipeline.name, health, observe.bind, observe.port, version=__version__, executor=executor
    )
