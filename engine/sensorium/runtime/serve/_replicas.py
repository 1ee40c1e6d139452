"""The deployments that hold a model: they take arrays and give arrays, and know nothing else."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.plugin import Arrays, Features
from sensorium.runtime._model import load_fusion, load_modality, open_checkpoint
from sensorium.runtime._precision import fusion_precision, stream_precision
from sensorium.runtime.serve._items import unpack
from sensorium.runtime.serve._settings import pipeline_of
from sensorium.runtime.serve._shelf import Held, Shelf
from sensorium.stages import EncodedBatch, EncodedRows, Fused, Fuser, StreamEncoder

__all__ = ["AT_ONCE", "EncodeReplica", "FuseReplica"]

#: Calls of a model at once: while one waits for the device or for its turn on the interpreter, the
#: other goes on.
AT_ONCE: Final = 2


class EncodeReplica:
    """The model of one stream.

    Its methods are plain functions, which Serve runs on threads: a call that takes long holds up
    neither the others nor the health check.

    Parameters
    ----------
    topology
        The pipeline.
    stream
        Which of its streams.
    """

    def __init__(self, topology: Mapping[str, Any], stream: str) -> None:
        self._topology = topology
        self._stream = stream
        self._shelf = Shelf(self._load)
        self._turns = threading.Semaphore(AT_ONCE)
        self._seen: Arrays | None = None

    def reconfigure(self, settings: Mapping[str, Any]) -> None:
        """Take up another checkpoint, in the background but for the first."""
        self._shelf.change(settings)

    def encode(
        self, model: str, arrays: Arrays, hashes: npt.NDArray[np.uint32] | None
    ) -> EncodedRows | None:
        """Encode with the model of this identity; None if it is not, or not yet, here."""
        encoder = self._shelf.find(model)
        if encoder is None:
            return None
        self._seen = arrays
        with self._turns:
            return _encoded(encoder, arrays, hashes)

    def _load(self, settings: Mapping[str, Any]) -> Held[StreamEncoder]:
        pipeline = pipeline_of(self._topology, settings)
        part = pipeline.streams[self._stream]
        modality = part.modality(part.config)
        checkpoint = open_checkpoint(pipeline)
        load_modality(pipeline, self._stream, modality, checkpoint)
        encoder = StreamEncoder(
            modality,
            part.batch_size,
            pipeline.config.runtime.batch.pad,
            stream_precision(pipeline, self._stream),
        )
        if self._seen is not None:
            # What the model before has just been given warms this one up.
            _encoded(encoder, self._seen, None)
        return Held(checkpoint.digest if checkpoint else "", encoder)


def _encoded(
    encoder: StreamEncoder, arrays: Arrays, hashes: npt.NDArray[np.uint32] | None
) -> EncodedRows:
    if encoder.modality.prepare_at == "ingest":
        return encoder.encode(arrays, hashes)
    return encoder.run(unpack(arrays), hashes)


class FuseReplica:
    """The fusion; see `EncodeReplica`.

    Parameters
    ----------
    topology
        The pipeline.
    """

    def __init__(self, topology: Mapping[str, Any]) -> None:
        self._topology = topology
        self._shelf = Shelf(self._load)
        self._turns = threading.Semaphore(AT_ONCE)

    def reconfigure(self, settings: Mapping[str, Any]) -> None:
        """Take up another checkpoint, in the background but for the first."""
        self._shelf.change(settings)

    def fuse(
        self,
        model: str,
        present: Mapping[str, npt.NDArray[np.bool_]],
        features: Mapping[str, Features],
        hashes: npt.NDArray[np.uint32],
    ) -> Fused | None:
        """Fuse with the model of this identity; None if it is not, or not yet, here."""
        fuser = self._shelf.find(model)
        if fuser is None:
            return None
        with self._turns:
            return fuser.fuse(EncodedBatch(present, features, hashes))

    def _load(self, settings: Mapping[str, Any]) -> Held[Fuser]:
        pipeline = pipeline_of(self._topology, settings)
        fusion = pipeline.fusion_for(pipeline.modalities())
        checkpoint = open_checkpoint(pipeline)
        load_fusion(pipeline, fusion, checkpoint)
        batch = pipeline.config.runtime.batch
        tasks = {name: part.task for name, part in pipeline.tasks.items()}
        fuser = Fuser(fusion, tasks, batch.size, batch.pad, fusion_precision(pipeline))
        fuser.fuse(_nothing(pipeline.modalities()))
        return Held(checkpoint.digest if checkpoint else "", fuser)


def _nothing(modalities: Mapping[str, Any]) -> EncodedBatch:
    """A set in which every stream is absent, which every fusion has an answer for."""
    features = {}
    for name, modality in modalities.items():
        spec = modality.feature
        if spec.kind == "vector":
            features[name] = Features(np.zeros((1, spec.dim), spec.dtype))
        else:
            empty = np.zeros((1, 1), np.bool_)
            features[name] = Features(np.zeros((1, 1, spec.dim), spec.dtype), empty)
    present = {name: np.zeros(1, np.bool_) for name in modalities}
    return EncodedBatch(present, features, np.zeros(1, np.uint32))
