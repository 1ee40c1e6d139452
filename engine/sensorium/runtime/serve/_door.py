"""The door on Ray Serve: a deployment that listens, and asks the others as ingest does."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from sensorium.door import Door
from sensorium.observe import logging_to
from sensorium.runtime._door import predict_with
from sensorium.runtime.serve._metrics import RayMetrics
from sensorium.runtime.serve._settings import pipeline_of
from sensorium.runtime.serve._work import ServeWork

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

__all__ = ["DOOR", "DoorReplica"]

#: The name of the deployment.
DOOR: Final = "door"
#: How long a request waits while no replica answers, in seconds: somebody waits for it.
_PATIENCE: Final = 10.0


class DoorReplica:
    """Answers single sets over HTTP, in a process of its own: ingest knows nothing of it.

    Models that are inline it has once more, for itself.

    Parameters
    ----------
    topology
        The pipeline.
    encoders, fusion
        The deployments of what is not inline.
    """

    def __init__(
        self,
        topology: Mapping[str, Any],
        encoders: Mapping[str, DeploymentHandle[Any]],
        fusion: DeploymentHandle[Any] | None,
    ) -> None:
        # A process of the engine's own; Ray keeps what it says.
        self._logging = ExitStack()
        self._logging.enter_context(logging_to(sys.stderr, "json"))
        self._topology = topology
        self._work = ServeWork(topology, encoders, fusion, remembered=0, patience=_PATIENCE)
        self._door: Door | None = None
        self._metrics: RayMetrics | None = None

    def reconfigure(self, settings: Mapping[str, Any]) -> None:
        """Open the door, the first time; take up another checkpoint in the background."""
        self._work.change(settings)
        if self._door is not None:
            return
        pipeline = pipeline_of(self._topology, settings)
        assert pipeline.config.door is not None
        self._door = Door(pipeline, pipeline.config.door)
        self._door.attach(predict_with(pipeline, self._work), lambda: self._work.digest)
        self._metrics = RayMetrics(pipeline.name, self._door.readings)

    def address(self) -> str:
        """Where it listens."""
        return "" if self._door is None else self._door.address

    def check_health(self) -> None:
        """Fail where it does not listen any more."""
        if self._door is not None and not self._door.listening:
            raise RuntimeError("the door does not listen any more")

    def __del__(self) -> None:
        """Close the door: Serve calls this when it takes a replica down."""
        for part in (getattr(self, "_door", None), getattr(self, "_metrics", None)):
            if part is not None:
                part.close()
