"""The Serve application of a pipeline: which deployments there are, and what each one gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ray import serve

from sensorium.host import Pipeline
from sensorium.runtime.serve._ingest import IngestReplica
from sensorium.runtime.serve._replicas import EncodeReplica, FuseReplica
from sensorium.runtime.serve._settings import settings_of, topology_of

if TYPE_CHECKING:
    from ray.serve import Application

    from sensorium.host import Replicas, Resources

__all__ = ["INGEST", "application_of", "encode_name"]

#: The names of the deployments: the stages that they hold.
INGEST: Final = "ingest"
FUSE: Final = "fuse"
#: Calls that a replica works on: one runs, the next one is at hand.
_ONGOING: Final = 2
#: Calls of the ingest deployment: start, stop and collect may come together.
_INGEST_ONGOING: Final = 16

#: No line for every call.
_QUIET: Final = {"enable_access_log": False}


def encode_name(stream: str) -> str:
    """The name of a stream's deployment."""
    return f"encode-{stream}"


def application_of(
    pipeline: Pipeline, digest: str, ingest_resources: Mapping[str, float] | None = None
) -> Application:
    """The application of a pipeline.

    Parameters
    ----------
    digest
        The identity of its checkpoint.
    ingest_resources
        Further resources that the ingest deployment asks for, as the one that only a certain node
        has.
    """
    topology, settings = topology_of(pipeline), settings_of(pipeline, digest)
    config = pipeline.config
    placed = {name: part for name, part in config.streams.items() if part.placement == "replica"}
    most = [part.replicas.max for part in placed.values()]
    if config.fusion.placement == "replica":
        most.append(config.fusion.replicas.max)
    # Enough that no replica waits for work, and one that is being made ready.
    flights = max(config.runtime.threads, _ONGOING * max(most, default=0)) + 1

    def model(cls: type[Any], name: str, part: Any) -> Any:
        return serve.deployment(cls).options(
            name=name,
            max_ongoing_requests=_ONGOING,
            max_queued_requests=flights,
            user_config=settings,
            logging_config=_QUIET,
            ray_actor_options=_actor_options(part.resources),
            **_scale(part.replicas),
        )

    encoders = {
        name: model(EncodeReplica, encode_name(name), part).bind(topology, name)
        for name, part in placed.items()
    }
    fusion = None
    if config.fusion.placement == "replica":
        fusion = model(FuseReplica, FUSE, config.fusion).bind(topology)
    ingest = serve.deployment(IngestReplica).options(
        name=INGEST,
        num_replicas=1,
        max_ongoing_requests=_INGEST_ONGOING,
        max_queued_requests=_INGEST_ONGOING,
        user_config=settings,
        logging_config=_QUIET,
        ray_actor_options={"num_cpus": 1.0, "resources": dict(ingest_resources or {})},
    )
    return ingest.bind(topology, encoders, fusion, flights)


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


def _actor_options(resources: Resources) -> dict[str, Any]:
    return resources.model_dump(exclude_none=True)
