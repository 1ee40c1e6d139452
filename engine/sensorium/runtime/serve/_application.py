"""The Serve application of a pipeline: which deployments there are, and what each one gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ray import serve

from sensorium.runtime.serve._door import DOOR, DoorReplica
from sensorium.runtime.serve._ingest import DRAIN_SECONDS, IngestReplica, Order
from sensorium.runtime.serve._replicas import AT_ONCE, EncodeReplica, FuseReplica
from sensorium.runtime.serve._scaling import ingest_scale
from sensorium.runtime.serve._settings import pipeline_of

if TYPE_CHECKING:
    from ray.serve import Application

    from sensorium.host import FusionConfig, PipelineConfig, Replicas, StreamConfig

__all__ = ["INGEST", "application_of", "build", "deployment_options"]

#: The name of the deployment that holds the line. The others are named by their path in the
#: pipeline file: ``streams.NAME`` and ``fusion``.
INGEST: Final = "ingest"
#: Calls that come besides the flight's: one of events encoded ahead, and the door's four.
_OTHERS: Final = 5
#: Calls of the ingest deployment: collecting and draining may come together.
_INGEST_ONGOING: Final = 16
#: How often replicas are asked whether they are well. Only so is it noticed that one has died: with
#: Serve's own ten seconds that takes half as long again as to start another one.
_HEALTH_CHECK_SECONDS: Final = 2.0
#: No line for every call.
_QUIET: Final = {"enable_access_log": False}


def build(topology: dict[str, Any]) -> Application:
    """The application that runs for ever, as a Serve config file names it (``import_path``).

    Parameters
    ----------
    topology
        The ``args``: a pipeline file as plain data. What may change while it runs (``checkpoint``
        above all) belongs into the ``user_config`` of every deployment.
    """
    return application_of(topology, {}, Order())


def application_of(
    topology: Mapping[str, Any],
    settings: Mapping[str, Any],
    order: Order,
    *,
    node: str | None = None,
    ingests: int | None = None,
) -> Application:
    """The application of a pipeline.

    Parameters
    ----------
    topology, settings
        What `topology_of` and `settings_of` give.
    order
        What every ingest replica runs.
    node
        A resource that only one node has, where the source can only be read there.
    ingests
        A fixed number of ingest replicas; by default as the pipeline file says.
    """
    config = pipeline_of(topology, settings).config
    options = deployment_options(config, dict(settings), node, ingests)
    flights = _flights(config)
    encoders = {
        name: serve.deployment(EncodeReplica)
        .options(name=f"streams.{name}", **options[f"streams.{name}"])
        .bind(topology, name)
        for name in config.streams
        if f"streams.{name}" in options
    }
    fusion = None
    if "fusion" in options:
        fuse = serve.deployment(FuseReplica).options(name="fusion", **options["fusion"])
        fusion = fuse.bind(topology)
    door = None
    if DOOR in options:
        listening = serve.deployment(DoorReplica).options(name=DOOR, **options[DOOR])
        door = listening.bind(topology, encoders, fusion)
    ingest = serve.deployment(IngestReplica).options(name=INGEST, **options[INGEST])
    return ingest.bind(topology, encoders, fusion, flights, order, door)


def deployment_options(
    config: PipelineConfig,
    settings: dict[str, Any],
    node: str | None = None,
    ingests: int | None = None,
) -> dict[str, dict[str, Any]]:
    """Per deployment, its options in Serve's terms, as in a Serve config file.

    Parameters
    ----------
    config
        The pipeline file.
    settings
        What may change, the ``user_config`` of each.
    node, ingests
        As of `application_of`.
    """
    parts: dict[str, StreamConfig | FusionConfig] = {
        f"streams.{name}": part for name, part in config.streams.items()
    }
    parts["fusion"] = config.fusion
    common = {
        "user_config": settings,
        "logging_config": _QUIET,
        "health_check_period_s": _HEALTH_CHECK_SECONDS,
    }
    found: dict[str, dict[str, Any]] = {
        name: {
            **common,
            "max_ongoing_requests": _ongoing(config, ingests),
            "max_queued_requests": _flights(config),
            "ray_actor_options": part.resources.model_dump(exclude_none=True),
            **_scale(part.replicas),
        }
        for name, part in parts.items()
        if part.placement == "replica"
    }
    ingest = config.runtime.ingest
    found[INGEST] = {
        **common,
        **(ingest_scale(ingest) if ingests is None else {"num_replicas": ingests}),
        "max_ongoing_requests": _INGEST_ONGOING,
        "max_queued_requests": _INGEST_ONGOING,
        "graceful_shutdown_timeout_s": DRAIN_SECONDS + 10.0,
        "ray_actor_options": {**ingest.resources.model_dump(exclude_none=True), **_on(node)},
    }
    if config.door is not None:
        # It is for trying: it takes no CPU from what the pipeline is for.
        found[DOOR] = {
            **common,
            "num_replicas": 1,
            "ray_actor_options": {"num_cpus": 0.0, **_on(node)},
        }
    return found


def _on(node: str | None) -> dict[str, Any]:
    return {} if node is None else {"resources": {node: 0.001}}


def _flights(config: PipelineConfig) -> int:
    """Micro-batches under way: enough that no replica waits for work, and one at hand."""
    parts: list[StreamConfig | FusionConfig] = [*config.streams.values(), config.fusion]
    most = max((it.replicas.max for it in parts if it.placement == "replica"), default=0)
    return max(config.runtime.threads, AT_ONCE * most) + 1


def _ongoing(config: PipelineConfig, ingests: int | None) -> int:
    """Calls that a replica takes: all that there may be, if it is the only one.

    What a replica turns away is sent again later, with a pause that grows, and it has nothing to do
    meanwhile. It is the replica that has the calls wait for each other.
    """
    most = config.runtime.ingest.replicas.max if ingests is None else ingests
    return (_flights(config) + _OTHERS) * most


def _scale(replicas: Replicas) -> dict[str, Any]:
    if replicas.min == replicas.max:
        return {"num_replicas": replicas.min}
    return {
        "autoscaling_config": {
            "min_replicas": replicas.min,
            "max_replicas": replicas.max,
            "target_ongoing_requests": 1.0,
        }
    }
