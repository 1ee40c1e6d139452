"""One model of a Triton Inference Server: connected, checked, and called safely."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy.typing as npt

from sensorium.durations import format_duration
from sensorium.errors import PluginError, UnavailableError
from sensorium_plugins._triton._config import TritonConfig
from sensorium_plugins._triton._contract import Contract
from sensorium_plugins._triton._memory import is_local
from sensorium_plugins._triton._retry import Repeater, may_pass
from sensorium_plugins._triton._slot import Slots

__all__ = ["TritonModel"]

_LOG: Final = logging.getLogger("sensorium.encode")
#: Between two looks whether the server is ready, in seconds.
_LOOK: Final = 0.2
#: Messages of any size, as the client's own defaults have it; and a lost connection is tried again
#: each half second, where gRPC would come to wait for two minutes. (The least is for how long one
#: attempt may hang.)
_CHANNEL: Final = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2000),
    ("grpc.max_reconnect_backoff_ms", 500),
]

Named = Mapping[str, npt.NDArray[Any]]


class TritonModel:
    """A model on a server. `infer` is thread-safe.

    Parameters
    ----------
    config
        Where it is, and how long to try.
    named
        Who calls, for messages, as ``"modality 'triton'"``.
    """

    def __init__(self, config: TritonConfig, named: str) -> None:
        from tritonclient.grpc import InferenceServerClient

        self.config = config
        self._named = named
        self._client = InferenceServerClient(config.url, channel_args=_CHANNEL)
        self._repeater = Repeater(config, named)
        self.contract = self._read()
        self._slots = Slots(self.contract, self._client)
        self._shared = config.shared_memory == "auto" and is_local(config.url)
        self._epoch = 0
        weakref.finalize(self, _close, self._slots, self._client)

    @property
    def shares_memory(self) -> bool:
        """Whether inputs go through shared memory, as far as is known by now."""
        return self._shared

    def ready(self) -> bool:
        """Whether the server answers and has the model ready.

        Raises
        ------
        PluginError
            If it does not tell.
        """
        from tritonclient.utils import InferenceServerException

        wait = self.config.timeout / 1e9
        name, version = self.config.model, self.config.version
        try:
            return bool(
                self._client.is_server_ready(client_timeout=wait)
                and self._client.is_model_ready(name, version, client_timeout=wait)
            )
        except InferenceServerException as error:
            if may_pass(error):
                return False
            raise PluginError(
                f"{self._named}: {self.config.where} does not tell whether it is ready: "
                f"{error.message()}"
            ) from error

    def refuse(self, faults: Sequence[str]) -> None:
        """Complain that the model does not fit the pipeline, if there are faults.

        Raises
        ------
        PluginError
            With all of them.
        """
        if faults:
            raise PluginError(
                f"{self._named}: {self.config.where} does not fit the pipeline: {'; '.join(faults)}"
            )

    def infer(self, arrays: Named, outputs: Sequence[str]) -> Iterator[dict[str, npt.NDArray[Any]]]:
        """Call the model with as many items at a time as it takes.

        Parameters
        ----------
        arrays
            Per input, its items.
        outputs
            What to ask for.

        Yields
        ------
        dict
            Per output its array, for some items after the other.

        Raises
        ------
        UnavailableError
            If the server does not answer, repetitions included.
        PluginError
            If it refuses the call.
        """
        total = len(next(iter(arrays.values())))
        most = self.contract.most or max(total, 1)
        for first in range(0, total, most):
            some = {name: array[first : first + most] for name, array in arrays.items()}
            yield self._repeater.call(partial(self._call, some, outputs))

    def _call(self, arrays: Named, outputs: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        from tritonclient.utils import InferenceServerException

        with self._slots.one() as slot:
            try:
                answer = self._client.infer(
                    self.config.model,
                    self._inputs(slot, arrays),
                    model_version=self.config.version,
                    outputs=slot.ask(outputs),
                    client_timeout=self.config.timeout / 1e9,
                )
            except InferenceServerException as error:
                if may_pass(error):
                    self._epoch += 1
                raise
        found = {name: answer.as_numpy(name) for name in outputs}
        rows = len(next(iter(arrays.values())))
        self.refuse(
            [
                f"its output {name!r} has shape {array.shape} for {rows} items"
                for name, array in found.items()
                if array.ndim == 0 or len(array) != rows
            ]
        )
        return found

    def _inputs(self, slot: Any, arrays: Named) -> Sequence[Any]:
        from tritonclient.utils import InferenceServerException
        from tritonclient.utils.shared_memory import SharedMemoryException

        if self._shared:
            try:
                inputs: Sequence[Any] = slot.fill(arrays, shared=True, epoch=self._epoch)
            except (InferenceServerException, SharedMemoryException) as error:
                if isinstance(error, InferenceServerException) and may_pass(error):
                    raise
                self._shared = False
                _LOG.info(
                    "%s: %s is called without shared memory: %s",
                    self._named, self.config.where, error,
                )  # fmt: skip
            else:
                return inputs
        unshared: Sequence[Any] = slot.fill(arrays, shared=False, epoch=self._epoch)
        return unshared

    def _read(self) -> Contract:
        """Wait until the model is ready, and ask what it takes and gives."""
        from tritonclient.utils import InferenceServerException

        config = self.config
        end = time.monotonic() + config.start / 1e9
        while not self.ready():
            if time.monotonic() >= end:
                raise self._not_ready()
            time.sleep(_LOOK)
        wait = config.timeout / 1e9
        try:
            metadata = self._client.get_model_metadata(
                config.model, config.version, client_timeout=wait
            )
            answer = self._client.get_model_config(
                config.model, config.version, client_timeout=wait
            )
        except InferenceServerException as error:
            raise UnavailableError(f"{self._named}: {config.where}: {error.message()}") from error
        return Contract.read(metadata, answer.config)

    def _not_ready(self) -> Exception:
        from tritonclient.utils import InferenceServerException

        config = self.config
        waited = format_duration(config.start)
        try:
            answers = self._client.is_server_live(client_timeout=config.timeout / 1e9)
        except InferenceServerException:
            answers = False
        if not answers:
            return UnavailableError(
                f"{self._named}: no Triton server answers at {config.url} (waited {waited}): "
                "start it, or correct `url` (it is the gRPC port)"
            )
        return PluginError(
            f"{self._named}: the server at {config.url} has no {config.where.partition(' at ')[0]} "
            f"that is ready (waited {waited}): load it there, or correct `model` and `version`"
        )


def _close(slots: Slots, client: Any) -> None:
    slots.close()
    client.close()
