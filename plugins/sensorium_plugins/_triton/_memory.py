"""Inputs handed over in system shared memory, where the server is on this machine and allows it."""

from __future__ import annotations

import logging
import os
import uuid
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["Region", "is_local"]

_LOG: Final = logging.getLogger("sensorium.encode")
#: Regions grow by doubling, from this many bytes.
_LEAST: Final = 1 << 16
#: Arrays begin at multiples of this many bytes.
_ALIGNMENT: Final = 64


def is_local(url: str) -> bool:
    """Whether an address is this machine's own."""
    host = url.rpartition(":")[0].strip("[]")
    return host == "localhost" or host == "::1" or host.startswith("127.")


class Region:
    """One region, known to the server by its name; for one call at a time."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._name = ""
        self._handle: Any = None
        self._size = 0
        self._epoch = -1

    def offer(self, arrays: list[npt.NDArray[Any]], inputs: list[Any], epoch: int) -> None:
        """Copy arrays into the region, and have the inputs point there.

        Parameters
        ----------
        arrays, inputs
            What to hand over, and the client's `InferInput` of each.
        epoch
            Counts how often the server may have begun anew, knowing no region any more.

        Raises
        ------
        InferenceServerException
            If the server does not take the region.
        SharedMemoryException
            If there is no room for it here.
        """
        from tritonclient.utils import shared_memory

        offsets = np.cumsum([0, *(-(-it.nbytes // _ALIGNMENT) * _ALIGNMENT for it in arrays)])
        self._provide(int(offsets[-1]), epoch)
        for array, it, offset in zip(arrays, inputs, offsets.tolist(), strict=False):
            shared_memory.set_shared_memory_region(self._handle, [array], offset=offset)
            it.set_shared_memory(self._name, array.nbytes, offset=offset)

    def close(self) -> None:
        """Free the memory; a server that still knows the region forgets it, if it answers."""
        from tritonclient.utils import InferenceServerException, shared_memory

        if self._handle is None:
            return
        try:
            self._client.unregister_system_shared_memory(self._name, client_timeout=1.0)
        except InferenceServerException as error:
            _LOG.debug("the region %s stays registered: %s", self._name, error)
        shared_memory.destroy_shared_memory_region(self._handle)
        self._handle = None

    def _provide(self, size: int, epoch: int) -> None:
        from tritonclient.utils import shared_memory

        if size > self._size or self._handle is None:
            self.close()
            self._size = max(_LEAST, 1 << (size - 1).bit_length())
            self._name = f"sensorium-{os.getpid()}-{uuid.uuid4().hex[:12]}"
            self._handle = shared_memory.create_shared_memory_region(
                self._name, f"/{self._name}", self._size, create_only=True
            )
            self._epoch = -1
        if self._epoch != epoch:
            # A server that has not begun anew knows the name already, and would not take it again.
            self._client.unregister_system_shared_memory(self._name)
            self._client.register_system_shared_memory(self._name, f"/{self._name}", self._size)
            self._epoch = epoch
