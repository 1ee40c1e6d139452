"""Ctrl-C and SIGTERM: the first drains, the second stops at once, the third is not caught."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, Protocol

__all__ = ["Stoppable", "stop_on_signals"]

_LOG = logging.getLogger("sensorium.run")

#: How long what is to stop at once may take until the process is ended, in seconds.
_AT_ONCE_SECONDS: Final = 5.0


class Stoppable(Protocol):
    """What goes on until it is told to stop, as an `Executor`."""

    def stop(self, *, now: bool = False) -> None:
        """Finish, or with `now` abandon, what is under way; called in a signal handler."""
        ...


@contextmanager
def stop_on_signals(running: Stoppable, at_once: float = _AT_ONCE_SECONDS) -> Iterator[None]:
    """While this lasts, SIGINT and SIGTERM stop it, the second one at once.

    What is to stop has to notice it, and a call of a library may last, as while the brokers are
    away. So from the second on the signals do again what they did before: a third SIGTERM ends the
    process. Where that does not come, and it still goes on after a while, it is sent by the process
    itself.

    On another thread than the main one, which gets no signals, it does nothing.

    Parameters
    ----------
    running
        Is stopped.
    at_once
        How long it may still go on after the second signal, in seconds.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    count = 0
    asked, over = threading.Event(), threading.Event()

    def watch() -> None:
        asked.wait()
        if not over.wait(at_once):
            _LOG.warning("it has not stopped at once: the process is ended")
            os.kill(os.getpid(), signal.SIGTERM)

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        running.stop(now=count > 1)
        if count > 1:
            restore()
            asked.set()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    try:
        for number in before:
            signal.signal(number, handle)
        # Before it is needed: a handler may interrupt anything, the start of a thread, too.
        threading.Thread(target=watch, name="sensorium-at-once", daemon=True).start()
        yield
    finally:
        over.set()
        asked.set()
        restore()
