"""The executor `serve`: the line in an ingest deployment, models in deployments of their own."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ray import serve
from ray.exceptions import RayTaskError

from sensorium.errors import RunError
from sensorium.events import DeadLetter
from sensorium.plugin import Sink
from sensorium.runtime._line import OnPredictions
from sensorium.runtime._model import require_weights
from sensorium.runtime._summary import RunSummary
from sensorium.runtime.serve._application import application_of
from sensorium.runtime.serve._calls import PassingError
from sensorium.runtime.serve._cluster import Cluster
from sensorium.runtime.serve._ingest import Collected, Order
from sensorium.runtime.serve._outbox import Parcel
from sensorium.runtime.serve._reasons import reasons_of
from sensorium.runtime.serve._seen import RECENT, Seen
from sensorium.runtime.serve._settings import settings_of, topology_of

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

    from sensorium.host import Pipeline

__all__ = ["ServeExecutor"]

#: How many ingest replicas may die in a row before one has handed anything back.
_DEATHS: Final = 3
#: How long to wait for one that answers, in seconds.
_PATIENCE: Final = 120.0
_PAUSE_SECONDS: Final = 0.2
#: Serve hangs a callback on every result of a broadcast. Where the result is in the object store
#: and is let go of before that has been called, Ray (2.60) ends the process: "owner is unknown".
_ANSWERS_KEPT: Final = 32


class ServeExecutor:
    """Runs a pipeline once as an application of its own on Ray Serve, which is then deleted.

    Parameters
    ----------
    pipeline
        What to run.
    cluster
        The Ray to run on.
    data, speed, until_end
        As of `run_pipeline`.
    sink
        Where this process writes predictions and dead letters, and which is closed at the end; by
        default the ingest deployment writes to the pipeline's own sink.
    on_predictions
        As of `Line`; called on the thread of `run`.
    on_ready
        Called once all deployments run, with the number of replicas of each.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        cluster: Cluster,
        *,
        data: Path | None = None,
        speed: str | None = None,
        until_end: bool = False,
        sink: Sink | None = None,
        on_predictions: OnPredictions | None = None,
        on_ready: Callable[[Mapping[str, int]], None] = lambda _: None,
    ) -> None:
        self._on_ready = on_ready
        self._pipeline = pipeline
        self._cluster = cluster
        self._sink = sink
        self._on_predictions = on_predictions
        self._name = f"{pipeline.name}-run-{uuid.uuid4().hex[:8]}"
        self._order = Order(
            followed=True,
            data=None if data is None else str(data.resolve()),
            speed=speed,
            until_end=until_end,
            sink=sink is not None,
            sets=on_predictions is not None,
        )
        # A recording is read whole by whoever reads it.
        self._ingests = 1 if data is not None else pipeline.config.runtime.ingest.replicas.min
        self._stops = 0
        # What reads a recording begins it anew, and what reads a log at the committed cut.
        source = pipeline.source
        whole = data is not None or source is None or source.local
        self._seen = Seen(None if whole else RECENT)
        #: Answers of several replicas that Ray may not be done with yet.
        self._answered: deque[object] = deque(maxlen=_ANSWERS_KEPT)

    def stop(self, *, now: bool = False) -> None:
        """Stop the intake; see `Executor.stop`."""
        self._stops = 2 if now else max(self._stops, 1)

    def run(self) -> RunSummary:
        """Deploy, run, drain and delete; see `Executor.run`."""
        digest = require_weights(self._pipeline)
        topology, settings = topology_of(self._pipeline), settings_of(self._pipeline, digest)
        # The recording is on this machine, and the ingest deployment on its node.
        application = application_of(
            topology, settings, self._order, node=self._cluster.here, ingests=self._ingests
        )
        try:
            try:
                ingest = serve.run(application, name=self._name, route_prefix=None)
            except RuntimeError as error:
                raise RunError(
                    f"{self._pipeline.name} could not be deployed: {reasons_of(self._name)}"
                ) from error
            deployments = serve.status().applications[self._name].deployments
            self._on_ready(
                {name: sum(it.replica_states.values()) for name, it in deployments.items()}
            )
            return self._follow(ingest)
        finally:
            if self._sink is not None:
                self._sink.close()
            # The line has been drained, or has failed: nothing is lost by taking all at once.
            serve.delete(self._name, _blocking=not self._cluster.own)

    def _follow(self, ingest: DeploymentHandle[Any]) -> RunSummary:
        """Collect until all have ended; one that dies has a successor, which begins anew."""
        after: dict[str, int] = {}
        seen: set[str] = set()
        heard = time.monotonic()
        while True:
            try:
                answers = self._ask(ingest, after)
            except PassingError as error:
                if time.monotonic() - heard > _PATIENCE:
                    raise RunError(
                        f"the ingest deployment of {self._name} has not answered for "
                        f"{_PATIENCE:g} s: {type(error).__name__}: {error}"
                    ) from error
                time.sleep(_PAUSE_SECONDS)
                continue
            heard = time.monotonic()
            for collected in answers:
                seen.add(collected.replica)
                for parcel in collected.parcels:
                    self._take(parcel)
                    after[collected.replica] = parcel.number
                    seen = {it.replica for it in answers}
                if collected.error is not None:
                    raise collected.error
            if len(seen) > self._ingests + _DEATHS:
                raise RunError(f"the ingest deployment of {self._name} does not stay alive")
            summaries = [it.summary for it in answers if it.summary is not None]
            if len(summaries) == self._ingests:
                if self._sink is not None:
                    self._sink.flush()
                return RunSummary.together(summaries)

    def _ask(self, ingest: DeploymentHandle[Any], after: Mapping[str, int]) -> list[Collected]:
        try:
            if self._ingests == 1:
                return [ingest.collect.remote(after, self._stops).result()]
            response = ingest.broadcast("collect", after, self._stops)
            self._answered.append(response)
            answers: list[Collected] = response.results()
        except RayTaskError as error:
            raise (error.cause or error) from None
        return answers

    def _take(self, parcel: Parcel) -> None:
        if parcel.sets is not None:
            fresh = [
                (prediction, aligned)
                for prediction, aligned in zip(parcel.predictions, parcel.sets, strict=True)
                if self._seen.first((aligned.id, "set"))
            ]
            if fresh and self._on_predictions is not None:
                self._on_predictions([it for it, _ in fresh], [it for _, it in fresh])
            return
        if self._sink is None:
            return
        if predictions := [it for it in parcel.predictions if self._seen.first(it.id)]:
            self._sink.write(predictions)
        if letters := [it for it in parcel.letters if self._seen.first(_identity(it))]:
            self._sink.write_dead_letters(letters)


def _identity(letter: DeadLetter) -> Hashable:
    return (letter.stage, letter.origin, letter.key, letter.message)
