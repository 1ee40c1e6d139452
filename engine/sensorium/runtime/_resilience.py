"""What is done about a model that fails as a whole: again, and then for a while not at all."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from sensorium.errors import RunError
from sensorium.observe import Reading
from sensorium.plugin import Arrays, Samples
from sensorium.stages import EncodedRows, Failure, Prepared, StreamEncoder, join_features

if TYPE_CHECKING:
    from sensorium.host import Pipeline

__all__ = ["Breaker", "ResilientStream", "resilience_readings", "resilient"]

_FIRST_PAUSE: Final = 0.05


class Breaker:
    """Opens when so many calls in a row have failed; then one call in a while asks again.

    Thread-safe.

    Parameters
    ----------
    failures
        How many calls in a row.
    pause
        How many seconds lie between the calls that ask again.
    timer
        Seconds that only go forward.
    """

    def __init__(
        self, failures: int, pause: float, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._pause = pause
        self._timer = timer
        self._lock = threading.Lock()
        self._failed = 0
        self._ask_at = 0.0

    @property
    def open(self) -> bool:
        """Whether calls are spared."""
        return self._failed >= self._limit

    def allows(self) -> bool:
        """Whether to call; of an open breaker, once in a while."""
        with self._lock:
            if not self.open:
                return True
            if self._timer() < self._ask_at:
                return False
            self._ask_at = self._timer() + self._pause
            return True

    def note(self, *, failed: bool) -> bool:
        """Note the outcome of a call; whether the breaker has just opened by it."""
        with self._lock:
            was_open = self.open
            self._failed = self._failed + 1 if failed else 0
            if self.open and not was_open:
                self._ask_at = self._timer() + self._pause
            return self.open and not was_open


class ResilientStream(StreamEncoder):
    """Calls another `StreamEncoder`, and bears with it when it fails as a whole.

    A call fails as a whole when none of its items could be encoded. If that may pass (an
    `UnavailableError`), it is made again, a limited number of times. Where calls fail as a whole
    one after the other the breaker opens: the stream is then absent from its sets without a call,
    or, with `stop`, the pipeline stops. One dead letter says so each time that it is asked again.

    Parameters
    ----------
    inner
        What is called.
    stream
        The stream, for messages.
    breaker
        Counts.
    retries
        How often a call is made again.
    stop
        Whether the pipeline stops when the breaker opens.
    pause
        Waits for some seconds.
    """

    def __init__(
        self,
        inner: StreamEncoder,
        stream: str,
        breaker: Breaker,
        retries: int,
        *,
        stop: bool = False,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(inner.modality, inner.size, inner.pad)
        self.elsewhere = inner.elsewhere
        self.breaker = breaker
        #: How many calls have been made again.
        self.retried = 0
        self._inner = inner
        self._stream = stream
        self._retries = retries
        self._stop = stop
        self._sleep = pause

    def prepare(self, items: Sequence[Samples]) -> Prepared:
        """Prepare as the inner one does."""
        return self._inner.prepare(items)

    def start(
        self, arrays: Arrays, hashes: npt.NDArray[np.uint32] | None = None
    ) -> Callable[[], EncodedRows]:
        """Start a call, unless the breaker is open; see `StreamEncoder.start`."""
        if not self.elsewhere:
            # It is made when its result is asked for: the breaker may have opened by then.
            return partial(self.encode, arrays, hashes)
        return self._ask(arrays, hashes)

    def _ask(
        self, arrays: Arrays, hashes: npt.NDArray[np.uint32] | None
    ) -> Callable[[], EncodedRows]:
        if not self.breaker.allows():
            return lambda: self._spared(arrays)
        asked_again = self.breaker.open
        waiting = self._inner.start(arrays, hashes)

        def finish() -> EncodedRows:
            result = waiting()
            for attempt in range(self._retries):
                if not _may_pass(result):
                    break
                self.retried += 1
                self._sleep(_FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311
                result = self._inner.start(arrays, hashes)()
            # An item that cannot be prepared says nothing about the model.
            failed = not len(result.rows) and any(it.hook == "encode" for it in result.failures)
            if self.breaker.note(failed=failed) and self._stop:
                raise RunError(
                    f"streams.{self._stream}: {result.failures[0].message}; it fails again and "
                    "again, and the pipeline is set to stop then (on_failure: stop)"
                )
            return _told_once(result) if failed and asked_again else result

        return finish

    def encode(self, arrays: Arrays, hashes: npt.NDArray[np.uint32] | None = None) -> EncodedRows:
        """Encode items; see `StreamEncoder.encode`."""
        return self._ask(arrays, hashes)()

    def _spared(self, arrays: Arrays) -> EncodedRows:
        name, spec = self.modality.name, self.modality.feature
        total = len(next(iter(arrays.values())))
        message = f"{name} has failed again and again, and is spared for a while"
        failures = tuple(
            Failure(row, name, "encode", "CircuitOpen", message, passing=True, told=True)
            for row in range(total)
        )
        return EncodedRows(np.empty(0, np.intp), join_features([], spec), failures)


def resilient(pipeline: Pipeline, stream: str, inner: StreamEncoder) -> ResilientStream:
    """What calls a stream's model, with the patience that the pipeline asks for."""
    runtime = pipeline.config.runtime
    breaker = Breaker(runtime.breaker.failures, runtime.breaker.pause / 1e9)
    stop = pipeline.config.streams[stream].on_failure == "stop"
    return ResilientStream(inner, stream, breaker, runtime.retries, stop=stop)


def resilience_readings(streams: Mapping[str, StreamEncoder]) -> list[Reading]:
    """The metrics of streams, of those whose calls are resilient."""
    found = []
    for stream, encoder in streams.items():
        if isinstance(encoder, ResilientStream):
            labels = (encoder.modality.name, stream)
            found.append(Reading("sensorium_retries_total", labels, encoder.retried))
            found.append(Reading("sensorium_circuit_open", labels, int(encoder.breaker.open)))
    return found


def _may_pass(result: EncodedRows) -> bool:
    return not len(result.rows) and any(it.passing for it in result.failures)


def _told_once(result: EncodedRows) -> EncodedRows:
    first, *others = result.failures
    return replace(result, failures=(first, *(replace(it, told=True) for it in others)))
