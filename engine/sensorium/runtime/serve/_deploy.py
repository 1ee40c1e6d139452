"""Deploying a pipeline for good, changing it while it runs, and taking it down."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeDeploySchema

from sensorium.errors import ConfigError, RunError
from sensorium.runtime.serve._application import INGEST
from sensorium.runtime.serve._build import build_config
from sensorium.runtime.serve._calls import PassingError
from sensorium.runtime.serve._reasons import reasons_of
from sensorium.runtime.serve._run import demand

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

    from sensorium.host import Pipeline
    from sensorium.runtime._summary import RunSummary
    from sensorium.runtime.serve._cluster import Cluster

__all__ = ["deploy", "remove"]

_LOOK_SECONDS: Final = 0.5
#: How long draining may take, with replicas that die and come back, in seconds: more than the two
#: limits that an ingest replica has for it.
_PATIENCE: Final = 120.0


def deploy(
    pipeline: Pipeline,
    cluster: Cluster,
    *,
    seconds: float = 300.0,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Run a pipeline on a cluster until it is removed, or change the one that runs there.

    What may change is taken up in place: nothing is lost or repeated. Any other change starts its
    deployments anew, and the log says where to go on. Other applications stay as they are.

    Parameters
    ----------
    seconds
        How long it may take until all replicas run.
    say
        Told how far it is.

    Raises
    ------
    ConfigError
        If it has no source or sink, lacks weights, or reads a source that only one machine can.
    RunError
        If it does not run in time; the message is Serve's own.
    """
    for end in ("source", "sink"):
        if getattr(pipeline, end) is None:
            raise ConfigError(f"there is no {end}: what is deployed has its own", path=end)
    if pipeline.source is not None and pipeline.source.local and cluster.nodes > 1:
        raise ConfigError(
            f"the source {pipeline.source.name} can only be read on one machine, and the cluster "
            f"has {cluster.nodes}: use one that every node reaches, as kafka",
            path="source",
        )
    cluster.require(demand(pipeline))
    client: Any = _get_global_client()
    ours = build_config(pipeline)
    # Serve deletes what a declared config leaves out, so the others are declared again.
    others = [
        details["deployed_app_config"]
        for name, details in client.get_serve_details()["applications"].items()
        if details["source"] == "declarative" and name != pipeline.name
    ]
    config = {**ours, "applications": [*others, *ours["applications"]]}
    client.deploy_apps(ServeDeploySchema.model_validate(config))
    _wait(pipeline.name, time.monotonic() + seconds, say)


def remove(pipeline: Pipeline) -> list[RunSummary]:
    """Drain a deployed pipeline, and then delete it; give what each ingest replica has done.

    A replica that dies while it is asked has a successor, which is asked instead.

    Raises
    ------
    ConfigError
        If it is not there.
    RunError
        If it was deleted without being drained, since its replicas did not answer for too long.
    """
    if pipeline.name not in serve.status().applications:
        there = ", ".join(sorted(serve.status().applications)) or "none"
        raise ConfigError(
            f"there is no application {pipeline.name!r} on the cluster; there: {there}"
        )
    ingest: Any = serve.get_deployment_handle(INGEST, pipeline.name)
    # First the line, so that nothing calls a model that is being taken down.
    try:
        summaries = _drain(ingest, pipeline.name)
    except RunError:  # and not where somebody has interrupted it
        serve.delete(pipeline.name)
        raise
    serve.delete(pipeline.name)
    return [it for it in summaries if it is not None]


def _drain(ingest: DeploymentHandle[Any], name: str) -> list[RunSummary | None]:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            left = max(deadline - time.monotonic(), _LOOK_SECONDS)
            summaries: list[RunSummary | None] = ingest.broadcast("drain").results(timeout_s=left)
        except (*PassingError, TimeoutError) as error:
            # Serve may not have noticed yet that one is dead. Asked again, those that have drained
            # say the same.
            if time.monotonic() >= deadline:
                raise RunError(
                    f"{name} is deleted, but was not drained: its ingest deployment has not "
                    f"answered for {_PATIENCE:g} s ({type(error).__name__}). What it has not "
                    "committed is read again when it is deployed again"
                ) from error
            time.sleep(_LOOK_SECONDS)
        else:
            return summaries


def _wait(name: str, deadline: float, say: Callable[[str], None]) -> None:
    said = ""
    while True:
        application = serve.status().applications.get(name)
        status = "NOT_STARTED" if application is None else application.status.value
        now = f"{name}: {status}" + "".join(
            f", {deployment} {sum(it.replica_states.values())}"
            for deployment, it in (application.deployments.items() if application else ())
        )
        if now != said:
            say(now)
            said = now
        if status == "RUNNING":
            return
        if application is not None and status == "DEPLOY_FAILED":
            raise RunError(f"{name} could not be deployed: {reasons_of(name)}")
        if time.monotonic() > deadline:
            raise RunError(f"{name} does not run yet; `serve status` says more. {reasons_of(name)}")
        time.sleep(_LOOK_SECONDS)
