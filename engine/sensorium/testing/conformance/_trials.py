"""Trying something often, at once, or in other states of the world."""

from __future__ import annotations

import gc
import logging
import random
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

import numpy as np

__all__ = ["KEPT_BYTES", "at_once", "kept_per_call", "microseconds", "seeded"]

T = TypeVar("T")

#: What a call may keep: less than an array of a few rows, more than torch does.
KEPT_BYTES: Final = 256

_THREADS: Final = 4
_CALLS: Final = 15
_ROUNDS: Final = 8


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make calls on four threads, which the interpreter switches as often as it can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with _without_threads_of_its_own(), ThreadPoolExecutor(_THREADS) as threads:
            return [done.result() for done in [threads.submit(call) for call in calls]]
    finally:
        sys.setswitchinterval(interval)


def kept_per_call(call: Callable[[int], object]) -> float:
    """Bytes of Python and numpy that stay allocated after a call, once it has been made before.

    It is the least of several rounds of calls, since caches that fill up are no leak; one round
    that keeps no more than `KEPT_BYTES` a call is enough.

    Parameters
    ----------
    call
        Is given the number of the call.
    """
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    # pytest keeps what is logged.
    disabled = logging.root.manager.disable
    logging.disable()
    try:
        with _without_threads_of_its_own():
            held = _held_after(call, 0)
            kept = []
            for number in range(1, _ROUNDS + 1):
                before, held = held, _held_after(call, number)
                kept.append((held - before) / _CALLS)
                if kept[-1] <= KEPT_BYTES:
                    break
            return min(kept)
    finally:
        logging.disable(disabled)
        if not tracing:
            tracemalloc.stop()


def _held_after(call: Callable[[int], object], number: int) -> int:
    """Make a round of calls; gives what is allocated after it."""
    for each in range(_CALLS):
        call(number * _CALLS + each)
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def microseconds(call: Callable[[], object], items: int) -> float:
    """The time of a call per item, on one core: the least of several, within 50 ms or so."""
    times: list[int] = []
    with _without_threads_of_its_own():
        while not times or (sum(times) < 50_000_000 and len(times) < 100):
            start = time.perf_counter_ns()
            call()
            times.append(time.perf_counter_ns() - start)
    return min(times) / items / 1000


@contextmanager
def _without_threads_of_its_own() -> Iterator[None]:
    """Let torch compute on the calling thread: its own would wait for one another."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The random numbers of Python, numpy and (where it is loaded) torch begin at a seed."""
    python, numbers = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    of_torch = None if torch is None else torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    if torch is not None:
        torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)
        if torch is not None:
            torch.set_rng_state(of_torch)
