"""Ctrl-C and SIGTERM: the first drains, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sensorium.runtime._executor import Executor

__all__ = ["stop_on_signals"]


@contextmanager
def stop_on_signals(executor: Executor) -> Iterator[None]:
    """While this lasts, SIGINT and SIGTERM stop the executor, the second one at once.

    On another thread than the main one, which gets no signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    count = 0

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        executor.stop(now=count > 1)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
