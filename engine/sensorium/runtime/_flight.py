"""Micro-batches in flight: worked on in any order, taken back in theirs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Protocol

from sensorium.runtime._microbatch import Microbatch, Worked

__all__ = ["Flight", "ThreadFlight"]


class Flight(Protocol):
    """A bounded, ordered way of micro-batches through encode and fuse.

    All methods are called by one thread.
    """

    def __len__(self) -> int:
        """How many have been submitted and not yet taken back."""
        ...

    @property
    def full(self) -> bool:
        """Whether nothing more may be submitted."""
        ...

    def submit(self, batch: Microbatch) -> None:
        """Start work on a micro-batch; only while not `full`."""
        ...

    def landed(self) -> Iterator[Worked]:
        """Take back what is done, in the order of submission, up to the first that is not."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait until the oldest is done, at most so long."""
        ...

    def close(self, *, abandon: bool = False) -> None:
        """End what works; may be called twice.

        Parameters
        ----------
        abandon
            Do not wait for work that goes on, and drop what has not begun.
        """
        ...


class ThreadFlight:
    """A `Flight` on threads of this process.

    Parameters
    ----------
    work
        What is done with a micro-batch, on a thread.
    threads
        How many at a time.
    limit
        How many may be submitted and not yet taken back.
    """

    def __init__(self, work: Callable[[Microbatch], Worked], threads: int, limit: int) -> None:
        self._work = work
        self._limit = limit
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sensorium-model")
        self._flying: deque[Future[Worked]] = deque()

    def __len__(self) -> int:
        return len(self._flying)

    @property
    def full(self) -> bool:
        """Whether nothing more may be submitted."""
        return len(self._flying) >= self._limit

    def submit(self, batch: Microbatch) -> None:
        """Start work on a micro-batch; only while not `full`."""
        self._flying.append(self._pool.submit(self._work, batch))

    def landed(self) -> Iterator[Worked]:
        """Take back what is done, in the order of submission, up to the first that is not."""
        while self._flying and self._flying[0].done():
            yield self._flying.popleft().result()

    def wait(self, seconds: float) -> None:
        """Wait until the oldest is done, at most so long."""
        if self._flying:
            wait([self._flying[0]], timeout=seconds)

    def close(self, *, abandon: bool = False) -> None:
        """End the threads; see `Flight.close`."""
        self._pool.shutdown(wait=not abandon, cancel_futures=True)
