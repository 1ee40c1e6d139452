"""Micro-batches in flight: worked on by threads in any order, taken back in theirs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

__all__ = ["Flight"]

A = TypeVar("A")
B = TypeVar("B")


class Flight(Generic[A, B]):
    """A bounded, ordered pool of work.

    Parameters
    ----------
    work
        What is done with one item, on a thread.
    threads
        How many at a time.
    limit
        How many may be submitted and not yet taken back.
    """

    def __init__(self, work: Callable[[A], B], threads: int, limit: int) -> None:
        self._work = work
        self._limit = limit
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sensorium-model")
        self._flying: deque[Future[B]] = deque()

    def __len__(self) -> int:
        return len(self._flying)

    @property
    def full(self) -> bool:
        """Whether nothing more may be submitted."""
        return len(self._flying) >= self._limit

    def submit(self, item: A) -> None:
        """Start work on an item; only while not `full`."""
        self._flying.append(self._pool.submit(self._work, item))

    def landed(self) -> Iterator[B]:
        """Take back what is done, in the order of submission, up to the first that is not."""
        while self._flying and self._flying[0].done():
            yield self._flying.popleft().result()

    def wait(self, seconds: float) -> None:
        """Wait until the oldest is done, at most so long."""
        if self._flying:
            wait([self._flying[0]], timeout=seconds)

    def close(self, *, abandon: bool = False) -> None:
        """End the threads; may be called twice.

        Parameters
        ----------
        abandon
            Do not wait for work that goes on, and drop what has not begun.
        """
        self._pool.shutdown(wait=not abandon, cancel_futures=True)
