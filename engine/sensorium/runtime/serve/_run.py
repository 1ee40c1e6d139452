"""Running a pipeline on Ray Serve, as the command line does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensorium.errors import ConfigError
from sensorium.host import door_token, sharing_problems
from sensorium.runtime._ends import open_sink
from sensorium.runtime._line import OnPredictions
from sensorium.runtime._model import require_weights
from sensorium.runtime._signals import stop_on_signals
from sensorium.runtime._summary import RunSummary
from sensorium.runtime.serve._cluster import ACCELERATOR, cluster
from sensorium.runtime.serve._executor import ServeExecutor

if TYPE_CHECKING:
    from sensorium.host import (
        DoorConfig,
        FusionConfig,
        ObserveConfig,
        Pipeline,
        PluginHost,
        StreamConfig,
    )

__all__ = ["demand", "require_sharing", "run_on_serve"]

#: How long a second signal leaves for the deletion of what is on the cluster.
_AT_ONCE_SECONDS: Final = 60.0


def run_on_serve(
    pipeline: Pipeline,
    host: PluginHost,
    *,
    address: str | None = None,
    data: Path | None = None,
    sink: str | None = None,
    until_end: bool = False,
    speed: str | None = None,
    observe: ObserveConfig | None = None,
    door: DoorConfig | None = None,
    on_predictions: OnPredictions | None = None,
) -> RunSummary:
    """Run a pipeline on Ray Serve; see `sensorium.runtime.run_pipeline`.

    Parameters
    ----------
    address
        Of the Ray to join; None for one that is started here and ends with the run.
    """
    if str(data) == "-":
        raise ConfigError(
            "standard input is read by the executor local only: the ingest deployment is another "
            "process. Write it to a file, or add `--executor local`"
        )
    if pipeline.sink is None and sink is None:
        raise ConfigError(
            "there is no sink: add one to the pipeline file or give `--sink -`", path="sink"
        )
    given = {name: it for name, it in (("observe", observe), ("door", door)) if it is not None}
    if given:
        pipeline = replace(pipeline, config=pipeline.config.model_copy(update=given))
    # What is wrong with the pipeline is told before Ray is started.
    require_weights(pipeline)
    if data is None:
        require_sharing(pipeline)
    if pipeline.config.door is not None and address is None:
        # A Ray of one's own has this environment; another's is asked when the door opens.
        door_token(pipeline.config.door)
    wanted = demand(pipeline)
    with cluster(address, wanted["CPU"]) as there:
        there.require(wanted)
        executor = ServeExecutor(
            pipeline,
            there,
            data=data,
            speed=speed,
            until_end=until_end,
            sink=None if sink is None else open_sink(pipeline, host, sink),
            on_predictions=on_predictions,
        )
        with stop_on_signals(executor, _AT_ONCE_SECONDS):
            return executor.run()


def demand(pipeline: Pipeline) -> dict[str, float]:
    """What the replicas of a pipeline ask for, at the fewest, by Ray's names."""
    config = pipeline.config
    total = {"CPU": 0.0, "GPU": 0.0, "memory": 0.0}
    models: list[StreamConfig | FusionConfig] = [*config.streams.values(), config.fusion]
    for part in (config.runtime.ingest, *(it for it in models if it.placement == "replica")):
        count = max(part.replicas.min, 1)
        total["CPU"] += part.resources.num_cpus * count
        total["GPU"] += part.resources.num_gpus * count
        total["memory"] += (part.resources.memory or 0) * count
        if part.resources.accelerator_type is not None:
            # Of the kind itself a node has one, of which a replica takes next to nothing.
            total[f"{ACCELERATOR}{part.resources.accelerator_type}"] = 0.001
    return total


def require_sharing(pipeline: Pipeline) -> None:
    """Refuse several ingest replicas where they cannot share the pipeline's source.

    Raises
    ------
    ConfigError
        Saying why, and what to do.
    """
    source = None
    if pipeline.source is not None:
        topics = list(dict.fromkeys(part.topic for part in pipeline.streams.values()))
        source = pipeline.source(pipeline.source_config, topics)
    for path, message, fix in sharing_problems(pipeline, source):
        raise ConfigError(f"{message}: {fix}", path=path)
