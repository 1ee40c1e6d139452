"""Ctrl-C and SIGTERM: the first drains, the second stops at once, the third is not caught."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

__all__ = ["Stoppable", "stop_on_signals"]


class Stoppable(Protocol):
    """What goes on until it is told to stop, as an `Executor`."""

    def stop(self, *, now: bool = False) -> None:
        """Finish, or with `now` abandon, what is under way; called in a signal handler."""
        ...


@contextmanager
def stop_on_signals(running: Stoppable) -> Iterator[None]:
    """While this lasts, SIGINT and SIGTERM stop it, the second one at once.

    What is to stop has to notice it, and a call of a library may last. So from the second on the
    signals do again what they did before: a third SIGTERM ends the process.

    On another thread than the main one, which gets no signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    count = 0

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        running.stop(now=count > 1)
        if count > 1:
            restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    try:
        for number in before:
            signal.signal(number, handle)
        yield
    finally:
        restore()
