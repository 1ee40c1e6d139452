"""Encode and fuse in other processes, as if they were here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from sensorium.errors import UnavailableError
from sensorium.plugin import Arrays, Modality, Samples
from sensorium.runtime.serve._calls import Call
from sensorium.runtime.serve._items import pack
from sensorium.stages import (
    EncodedBatch,
    EncodedRows,
    Fused,
    Prepared,
    StreamEncoder,
    failures_of,
    join_features,
)

__all__ = ["ModelNotThereError", "RemoteFuser", "RemoteStream"]


class ModelNotThereError(Exception):
    """A replica does not hold the model that it was asked for, or not yet."""


class RemoteStream(StreamEncoder):
    """Encodes in a deployment, with one call per micro-batch; prepares here, or there.

    Parameters
    ----------
    modality
        Not loaded: it says what features are like, and prepares, if its ``prepare_at`` is
        ``ingest``.
    call
        `EncodeReplica.encode`.
    model
        The identity of the model to ask for.
    """

    elsewhere: bool = True

    def __init__(self, modality: Modality, call: Call, model: str) -> None:
        # All items are prepared in one piece: the replica cuts them to the size of its batches.
        super().__init__(modality, size=sys.maxsize)
        self._call = call
        self._model = model

    def prepare(self, items: Sequence[Samples]) -> Prepared:
        """Turn items into arrays to send; see `StreamEncoder.prepare`."""
        if self.modality.prepare_at == "ingest" or not items:
            return super().prepare(items)
        return Prepared(((np.arange(len(items)), pack(items)),))

    def start(
        self, arrays: Arrays, hashes: npt.NDArray[np.uint32] | None = None
    ) -> Callable[[], EncodedRows]:
        """Send the arrays, and give what waits for the features."""
        waiting = self._call.start(self._model, dict(arrays), hashes)

        def finish() -> EncodedRows:
            try:
                result: EncodedRows | None = waiting()
            except UnavailableError as error:
                return self._without(arrays, error)
            if result is None:
                raise ModelNotThereError(self._model)
            return result

        return finish

    def _without(self, arrays: Arrays, error: UnavailableError) -> EncodedRows:
        failures = failures_of(
            range(len(next(iter(arrays.values())))), error, self.modality.name, "encode"
        )
        features = join_features([], self.modality.feature)
        return EncodedRows(np.empty(0, np.intp), features, tuple(failures))

    def encode(self, arrays: Arrays, hashes: npt.NDArray[np.uint32] | None = None) -> EncodedRows:
        """Encode items in the deployment; see `StreamEncoder.encode`."""
        return self.start(arrays, hashes)()


class RemoteFuser:
    """Fuses in a deployment: one call per micro-batch.

    Parameters
    ----------
    call
        `FuseReplica.fuse`.
    model
        The identity of the model to ask for.
    """

    def __init__(self, call: Call, model: str) -> None:
        self._call = call
        self._model = model

    def fuse(self, batch: EncodedBatch) -> Fused:
        """Fuse a micro-batch; of it only the arrays are sent."""
        result: Fused | None = self._call.start(
            self._model, dict(batch.present), dict(batch.features), batch.hashes
        )()
        if result is None:
            raise ModelNotThereError(self._model)
        return result
