"""A modality: how the payloads of one kind of stream become features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from sensorium.plugin._plugin import API_VERSION, PluginConfig
from sensorium.sealed import sealed

__all__ = ["Arrays", "FeatureSpec", "Features", "Modality", "Payload", "Samples", "Weights"]

#: Named arrays whose first axis is the item. Only these cross a process boundary.
Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]

#: A plugin's part of the checkpoint, its prefix taken off.
Weights: TypeAlias = Mapping[str, npt.NDArray[Any]]


@sealed
@dataclass(frozen=True, slots=True)
class Payload:
    """The payload of one record, out of its envelope.

    Parameters
    ----------
    data
        What the envelope held: bytes, text, a number, a list, a mapping, or a numpy array
        (read-only, over the record's own bytes).
    content_type
        The media type that the producer gave, as ``"image/jpeg"``, or None.
    headers
        The record's headers.
    """

    data: Any
    content_type: str | None = None
    headers: Mapping[str, bytes] = field(default_factory=dict)


@sealed
@dataclass(frozen=True, slots=True)
class Samples:
    """The decoded values of one stream in one set: no key, no origin, only what was measured.

    Parameters
    ----------
    times
        int64, shape (events,): event time of each value, in ns since the epoch, ascending.
    durations
        int64, shape (events,): how long each value lasts, in ns.
    values
        What `Modality.decode` gave for each.
    start, end
        The span of event time that the set covers, in ns, ``[start, end)`` for windows. Values may
        reach over it; `Modality.prepare` clips them.
    """

    times: npt.NDArray[np.int64]
    durations: npt.NDArray[np.int64]
    values: Sequence[Any]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """What `Modality.encode` gives for one item.

    Parameters
    ----------
    dim
        The length of a feature vector.
    kind
        ``"vector"``: data of shape (batch, dim). ``"sequence"``: (batch, time, dim) with a mask.
    dtype
        The numpy dtype of the data.
    """

    dim: int
    kind: Literal["vector", "sequence"] = "vector"
    dtype: str = "float32"

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape of one item; None for an axis of any length."""
        return (self.dim,) if self.kind == "vector" else (None, self.dim)


@dataclass(frozen=True, slots=True)
class Features:
    """The features of a micro-batch in one stream.

    Parameters
    ----------
    data
        Shape (batch, dim) or (batch, time, dim).
    mask
        bool, shape (batch, time): which steps of a sequence are there; None for vectors.
    """

    data: npt.NDArray[Any]
    mask: npt.NDArray[np.bool_] | None = None


class Modality(ABC):
    """Decodes the payloads of a stream, prepares arrays, and encodes them to features.

    `decode` and `prepare` run where the data is and need no torch; `load` and `encode` run where
    the model is, which may be another process. `decode` and `encode` keep no state between calls.

    Parameters
    ----------
    config
        The stream's ``config`` in the pipeline file, as an instance of `Config`.
    """

    name: ClassVar[str]
    """The name in the pipeline file, as ``sensor-stats``."""
    api: ClassVar[int] = API_VERSION
    """The plugin API that the class was written for."""
    Config: ClassVar[type[PluginConfig]] = PluginConfig
    """The model of the configuration; strict."""
    per: ClassVar[Literal["event", "set"]] = "set"
    """``"event"``: `prepare` and `encode` see one event an item; each event is encoded once,
    cached by its id, and pooled per set. ``"set"``: all of a stream's events of a set are one
    item."""
    prepare_at: ClassVar[Literal["ingest", "replica"]] = "replica"
    """Where `prepare` runs: with the stream (less to send) or with the model (more CPUs)."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def decode(self, payload: Payload) -> Any:
        """Turn one payload into the value that `prepare` takes; cheap.

        Raises
        ------
        PayloadError
            If it cannot; the record becomes a dead letter.
        """

    def decode_stack(self, arrays: npt.NDArray[Any]) -> Sequence[Any] | None:
        """Decode many payloads at once that are arrays of one shape and dtype; optional.

        The engine asks where many such records come together, which is where `decode`, called
        for each, is a large part of what a record costs.

        Parameters
        ----------
        arrays
            Shape (payloads, ...), read-only; a payload of each is what `decode` would get, with
            no content type and no headers.

        Returns
        -------
        sequence or None
            What `decode` gives for each. None, the default, where it has to be asked: one cannot
            be decoded, or there is no quicker way.
        """
        return None

    def duration(self, value: Any) -> int:
        """How long a decoded value lasts, in ns, where the envelope does not say. Default 0."""
        return 0

    @abstractmethod
    def prepare(self, items: Sequence[Samples]) -> Arrays:
        """Turn items into arrays, one row an item, on the CPU and without torch.

        Raises
        ------
        PayloadError
            If an item cannot be prepared; the engine finds out which, and that stream is absent
            from that set.
        """

    @property
    @abstractmethod
    def feature(self) -> FeatureSpec:
        """What `encode` gives; known before `load`."""

    def load(self, device: str, weights: Weights | None) -> None:  # noqa: B027 - optional
        """Build the model on a device.

        Parameters
        ----------
        device
            ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        weights
            What was trained, or None to start from scratch (before training).
        """

    @abstractmethod
    def encode(self, arrays: Arrays) -> Features:
        """Encode a micro-batch: one row an item. Thread-safe; arrays may be read-only."""
