"""What one call needs and the next can use again: the client's inputs and outputs, and memory."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium_plugins._triton._contract import Contract
from sensorium_plugins._triton._memory import Region

__all__ = ["Slot", "Slots"]


class Slot:
    """The inputs and outputs of one call at a time.

    Parameters
    ----------
    contract
        What the model takes and gives.
    region
        Shared memory, not yet taken.
    """

    def __init__(self, contract: Contract, region: Region) -> None:
        from tritonclient.grpc import InferInput, InferRequestedOutput

        self.region = region
        self._inputs = {
            name: InferInput(name, [0], it.dtypes[0]) for name, it in contract.inputs.items()
        }
        self._outputs = {name: InferRequestedOutput(name) for name in contract.outputs}

    def ask(self, outputs: Sequence[str]) -> Sequence[Any]:
        """The client's requests for some outputs."""
        return [self._outputs[name] for name in outputs]

    def fill(
        self, arrays: Mapping[str, npt.NDArray[Any]], shared: bool, epoch: int
    ) -> Sequence[Any]:
        """Put arrays in; give the client's inputs."""
        inputs = [self._inputs[name] for name in arrays]
        whole = [np.ascontiguousarray(it) for it in arrays.values()]
        for it, array in zip(inputs, whole, strict=True):
            it.set_shape(list(array.shape))
            if not shared:
                it.set_data_from_numpy(array)
        if shared:
            self.region.offer(whole, inputs, epoch)
        return inputs


class Slots:
    """As many slots as calls are under way at once."""

    def __init__(self, contract: Contract, client: Any) -> None:
        self._contract = contract
        self._client = client
        self._free: queue.SimpleQueue[Slot] = queue.SimpleQueue()

    @contextmanager
    def one(self) -> Iterator[Slot]:
        """A slot that nobody else has."""
        try:
            slot = self._free.get_nowait()
        except queue.Empty:
            slot = Slot(self._contract, Region(self._client))
        try:
            yield slot
        finally:
            self._free.put(slot)

    def close(self) -> None:
        """Free the memory of the slots that are not in use."""
        while not self._free.empty():
            self._free.get_nowait().region.close()
