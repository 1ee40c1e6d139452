"""Which errors of the client may pass, and how calls are repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any, Final, TypeVar

from sensorium.durations import format_duration
from sensorium.errors import PluginError, UnavailableError
from sensorium_plugins._triton._config import TritonConfig

__all__ = ["Repeater", "may_pass"]

T = TypeVar("T")

_LONGEST_PAUSE: Final = 5.0
#: NOT_FOUND: the model was there at start-up, so the server is loading it again; or a server that
#: has begun anew does not know the regions of shared memory that the one before it knew.
_PASSING: Final = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "NOT_FOUND", "CANCELLED", "ABORTED")
#: A server that refuses a part of its interface to strangers says so with the code UNAVAILABLE.
_REFUSED: Final = "protocol is restricted"


def may_pass(error: Any) -> bool:
    """Whether an `InferenceServerException` may be gone the next time."""
    code = str(error.status() or "").removeprefix("StatusCode.")
    return code in _PASSING and _REFUSED not in error.message()


class Repeater:
    """Repeats calls that got no answer, with growing random pauses between them.

    The pauses are "full jitter": clients that lost a server together do not come back together.

    Parameters
    ----------
    config
        How often and how soon.
    named
        Whose calls they are, for messages.
    sleep, random
        Waits for some seconds; where the randomness comes from.
    """

    def __init__(
        self,
        config: TritonConfig,
        named: str,
        sleep: Callable[[float], None] = time.sleep,
        random: Random | None = None,
    ) -> None:
        self._config = config
        self._named = named
        self._sleep = sleep
        self._random = random or Random()  # noqa: S311 - not for secrets

    def call(self, function: Callable[[], T]) -> T:
        """Call, and call again while errors may pass and repetitions are left.

        Raises
        ------
        UnavailableError
            If there was no answer the last time either.
        PluginError
            If the server answered that it cannot.
        """
        from tritonclient.utils import InferenceServerException

        config = self._config
        pause = config.pause / 1e9
        for left in range(config.retries, -1, -1):
            try:
                return function()
            except InferenceServerException as error:
                if not may_pass(error):
                    raise PluginError(
                        f"{self._named}: {config.where} refuses the call: {error.message()}"
                    ) from error
                if not left:
                    raise UnavailableError(
                        f"{self._named}: {config.where} did not answer within "
                        f"{format_duration(config.timeout)}, tried {config.retries + 1} times: "
                        f"{error.message()}"
                    ) from error
            self._sleep(self._random.uniform(0, min(pause, _LONGEST_PAUSE)))
            pause *= 2
        raise AssertionError("the last repetition returns or raises")
