"""Calls of a deployment: by the size of what is sent, and again where a replica has died."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from grpc import StatusCode
from grpc.aio import AioRpcError
from ray.exceptions import RayActorError, RayTaskError, WorkerCrashedError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    ReplicaUnavailableError,
)

from sensorium.errors import UnavailableError
from sensorium.plugin import Features

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

__all__ = ["Call", "PassingError", "size_of"]

#: From this size on, in bytes, arrays go through the object store, below it through gRPC: where
#: the two cost the same.
BY_REFERENCE: Final = 1_000_000
#: What a replica that has died, is not there yet or has too much to do answers with. The work has
#: no effect but its result, so that it may be done again.
PassingError: Final = (
    RayActorError,
    WorkerCrashedError,
    BackPressureError,
    DeploymentUnavailableError,
    ReplicaUnavailableError,
)
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 1.0


class Call:
    """A method of a deployment.

    Parameters
    ----------
    handle
        The deployment.
    method
        The method; what it does must be the same when done twice.
    patience
        How many seconds to go on trying while no replica answers.
    """

    def __init__(self, handle: DeploymentHandle[Any], method: str, patience: float) -> None:
        self._deployment = handle.deployment_name
        self._small = handle.options(method_name=method, _by_reference=False)
        self._large = handle.options(method_name=method)
        self._patience = patience
        #: How many bytes the newest answer had for each that was sent: both grow with the items.
        self._growth = 0.0

    def start(self, *arguments: Any) -> Callable[[], Any]:
        """Send a call, and give what waits for its result.

        What waits raises an `UnavailableError` where no replica has answered for too long.
        """
        size = size_of(arguments)
        large = size * max(self._growth, 1.0) >= BY_REFERENCE
        handle = self._large if large else self._small
        response = handle.remote(*arguments)

        def finish() -> Any:
            nonlocal handle, response
            deadline = time.monotonic() + self._patience
            pause = _FIRST_PAUSE
            while True:
                try:
                    result = response.result()
                except PassingError as error:
                    if time.monotonic() > deadline:
                        raise UnavailableError(
                            f"no replica of {self._deployment} has answered for "
                            f"{self._patience:g} s: {type(error).__name__}; `serve status` and "
                            "its logs say why"
                        ) from error
                except AioRpcError as error:
                    if error.code() is not StatusCode.RESOURCE_EXHAUSTED or handle is self._large:
                        raise
                    # The answer is larger than gRPC takes, which nothing has told before. Serve
                    # hands on gRPC's own error, as it is.
                    handle = self._large
                    response = handle.remote(*arguments)
                    continue
                except RayTaskError as error:
                    # The plugin's failures are in the answer: this is the engine's own.
                    raise (error.cause or error) from None
                else:
                    if result is not None:  # else there was no such model, and nothing to learn
                        self._growth = size_of(result) / max(size, 1)
                    return result
                # With jitter, so that those who were refused together don't come together again.
                time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
                pause = min(pause * 2, _LONGEST_PAUSE)
                response = handle.remote(*arguments)

        return finish


def size_of(value: Any) -> int:
    """The bytes of the arrays in a call's arguments or result."""
    if isinstance(value, np.ndarray):
        return sum(map(size_of, value)) if value.dtype == object else value.nbytes
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Features):
        return size_of(value.data) + size_of(value.mask)
    if isinstance(value, Mapping):
        return sum(size_of(it) for it in value.values())
    if isinstance(value, tuple | list):
        return sum(size_of(it) for it in value)
    features = getattr(value, "features", None)
    return 0 if features is None else size_of(features)
