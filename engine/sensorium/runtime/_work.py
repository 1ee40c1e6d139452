"""What is done with a micro-batch: encode, fuse, and say what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final, Protocol

from sensorium.events import Event
from sensorium.observe import Reading
from sensorium.runtime._microbatch import Microbatch, Worked
from sensorium.runtime._model import Models
from sensorium.runtime._precision import fusion_precision, stream_precision
from sensorium.runtime._resilience import resilience_readings, resilient
from sensorium.stages import EncodedBatch, Encoder, Fused, Fuser, StreamEncoder

if TYPE_CHECKING:
    from sensorium.host import Pipeline

__all__ = ["EVENTS_REMEMBERED", "Fuse", "ModelWork", "local_work"]

#: How many events are remembered per stream whose modality encodes per event.
EVENTS_REMEMBERED: Final = 4096


class Fuse(Protocol):
    """What fuses: `sensorium.stages.Fuser`, or what calls one elsewhere."""

    def fuse(self, batch: EncodedBatch) -> Fused:
        """Fuse a micro-batch."""
        ...


class ModelWork:
    """Takes micro-batches through the models, on any thread.

    Parameters
    ----------
    encoder, fuser
        They call the models.
    model
        The identity of the model.
    """

    def __init__(self, encoder: Encoder, fuser: Fuse, model: str = "") -> None:
        self._encoder = encoder
        self._fuser = fuser
        self.model = model

    def readings(self) -> list[Reading]:
        """The metrics of what is done about models that fail; called from any thread."""
        return resilience_readings(self._encoder.streams)

    def encode_ahead(self, stream: str, events: Sequence[Event]) -> None:
        """Encode events whose sets have not settled; see `Encoder.encode_ahead`."""
        self._encoder.encode_ahead(stream, events)

    def ahead(self, stream: str) -> Mapping[str, int]:
        """What became of them; see `Encoder.ahead`."""
        return self._encoder.ahead(stream)

    def __call__(self, batch: Microbatch) -> Worked:
        """Encode and fuse."""
        start = perf_counter_ns()
        encoded = self._encoder.encode(batch.sets)
        middle = perf_counter_ns()
        fused = self._fuser.fuse(encoded)
        end = perf_counter_ns()
        letters = encoded.letters(batch.sets) + fused.letters(batch.sets)
        marked = Microbatch(encoded.mark(batch.sets), batch.settled, batch.read)
        return Worked(marked, fused, letters, middle - start, end - middle, self.model)


def local_work(
    pipeline: Pipeline, models: Models, *, remembered: int = EVENTS_REMEMBERED
) -> ModelWork:
    """The work of models that are in this process.

    Parameters
    ----------
    pipeline, models
        What is called, and how.
    remembered
        How many events are remembered per stream whose modality encodes per event.
    """
    batch = pipeline.config.runtime.batch
    encoders = {
        name: resilient(
            pipeline,
            name,
            StreamEncoder(
                modality,
                pipeline.streams[name].batch_size,
                batch.pad,
                stream_precision(pipeline, name),
            ),
        )
        for name, modality in models.modalities.items()
    }
    tasks = {name: part.task for name, part in pipeline.tasks.items()}
    fuser = Fuser(models.fusion, tasks, batch.size, batch.pad, fusion_precision(pipeline))
    encoder = Encoder(models.modalities, encoders=encoders, cache=remembered)
    return ModelWork(encoder, fuser, models.digest)
