"""The work of the ingest deployment: inline models are called here, the others by handle."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from sensorium.events import Event
from sensorium.observe import Reading
from sensorium.runtime._microbatch import Microbatch, Worked
from sensorium.runtime._model import load_fusion, load_modality, open_checkpoint
from sensorium.runtime._precision import fusion_precision, stream_precision
from sensorium.runtime._resilience import resilient
from sensorium.runtime._work import EVENTS_REMEMBERED, Fuse, ModelWork
from sensorium.runtime.serve._calls import Call
from sensorium.runtime.serve._remote import ModelNotThereError, RemoteFuser, RemoteStream
from sensorium.runtime.serve._settings import pipeline_of
from sensorium.runtime.serve._shelf import Held, Shelf
from sensorium.stages import Encoder, Fuser, StreamEncoder

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

    from sensorium.host import Pipeline

__all__ = ["ServeWork"]

#: How long to go on trying while no replica answers, in seconds; one that has died is back within
#: some ten of them, on a busy machine later.
PATIENCE: Final = 120.0
_PAUSE: Final = 0.1


class ServeWork:
    """Takes micro-batches through the models of one identity, wherever they are.

    After a change of the checkpoint it asks for the new model; as long as some replica does not
    hold it yet, the micro-batch is done with the one before. So all of a prediction comes from one
    model, and it is the one that the prediction names.

    Parameters
    ----------
    topology
        The pipeline.
    encoders
        The deployments of streams, by stream.
    fusion
        The deployment of the fusion, if it has one.
    remembered
        As of `local_work`.
    patience
        How long to go on trying while no replica answers, in seconds.
    """

    def __init__(
        self,
        topology: Mapping[str, Any],
        encoders: Mapping[str, DeploymentHandle[Any]],
        fusion: DeploymentHandle[Any] | None,
        *,
        remembered: int = EVENTS_REMEMBERED,
        patience: float = PATIENCE,
    ) -> None:
        self._topology = topology
        self._remembered = remembered
        self._patience = patience
        self._encode = {name: Call(it, "encode", patience) for name, it in encoders.items()}
        self._fuse = None if fusion is None else Call(fusion, "fuse", patience)
        self._shelf = Shelf(self._load)

    def change(self, settings: Mapping[str, Any]) -> None:
        """Take up other settings; see `Shelf.change`."""
        self._shelf.change(settings)

    @property
    def digest(self) -> str:
        """The identity of the newest model."""
        return self._shelf.newest.digest

    def encode_ahead(self, stream: str, events: Sequence[Event]) -> None:
        """Encode events whose sets have not settled, with the newest model.

        Where it is not everywhere yet, they are left to their sets.
        """
        with suppress(ModelNotThereError):
            self._shelf.newest.model.encode_ahead(stream, events)

    def ahead(self, stream: str) -> Mapping[str, int]:
        """What became of them, of the newest model; see `Encoder.ahead`."""
        return self._shelf.newest.model.ahead(stream)

    def readings(self) -> list[Reading]:
        """The metrics of what is done about models that fail; called from any thread."""
        return self._shelf.newest.model.readings()

    def __call__(self, batch: Microbatch) -> Worked:
        """Encode and fuse, with the newest model that is everywhere."""
        deadline = time.monotonic() + self._patience
        while True:
            for held in self._shelf.all:
                try:
                    return held.model(batch)
                except ModelNotThereError:
                    continue
            if time.monotonic() > deadline:
                raise ModelNotThereError(
                    f"the deployments do not hold the model {self._shelf.newest.digest[:12]}"
                )
            time.sleep(_PAUSE)

    def _load(self, settings: Mapping[str, Any]) -> Held[ModelWork]:
        pipeline = pipeline_of(self._topology, settings)
        checkpoint = open_checkpoint(pipeline)
        digest = checkpoint.digest if checkpoint else ""
        batch = pipeline.config.runtime.batch
        modalities = pipeline.modalities()
        encoders: dict[str, StreamEncoder] = {}
        for name, modality in modalities.items():
            part = pipeline.streams[name]
            inner: StreamEncoder
            if name in self._encode:
                inner = RemoteStream(modality, self._encode[name], digest)
            else:
                load_modality(pipeline, name, modality, checkpoint)
                size, around = part.batch_size, stream_precision(pipeline, name)
                inner = StreamEncoder(modality, size, batch.pad, around)
            encoders[name] = resilient(pipeline, name, inner)
        encoder = Encoder(modalities, encoders=encoders, cache=self._remembered)
        fuser: Fuse
        if self._fuse is None:
            fusion = pipeline.fusion_for(modalities)
            load_fusion(pipeline, fusion, checkpoint)
            fuser = Fuser(
                fusion, _tasks(pipeline), batch.size, batch.pad, fusion_precision(pipeline)
            )
        else:
            fuser = RemoteFuser(self._fuse, digest)
        return Held(digest, ModelWork(encoder, fuser, digest))


def _tasks(pipeline: Pipeline) -> dict[str, Any]:
    return {name: part.task for name, part in pipeline.tasks.items()}
