"""What is done with a micro-batch: encode, fuse, and say what failed."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Protocol

from sensorium.observe import Reading
from sensorium.runtime._microbatch import Microbatch, Worked
from sensorium.runtime._resilience import resilience_readings
from sensorium.stages import EncodedBatch, Encoder, Fused

__all__ = ["Fuse", "ModelWork"]


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
