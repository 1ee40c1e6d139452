"""The log's share of health: when a run stops being ready, why, and when it is again."""

from __future__ import annotations

import threading
from types import TracebackType

from sensorium.observe._health import Health
from sensorium.observe._journal import Journal

__all__ = ["HealthWatch"]


class HealthWatch:
    """Looks at the health of a run again and again, on a thread of its own.

    The loop itself cannot tell that it waits: while a broker or a sink does not answer, or a
    plugin hangs, it stands. A context manager: it looks while it is entered.

    Parameters
    ----------
    health
        What is looked at.
    journal
        Is told of every change.
    every
        How often, in seconds.
    """

    def __init__(self, health: Health, journal: Journal, every: float = 1.0) -> None:
        self._health = health
        self._journal = journal
        self._every = every
        self._was_ready: bool | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._watch, name="sensorium-health-watch", daemon=True
        )

    def look(self) -> None:
        """Tell what has changed since the last look; called by the thread.

        Until it has been ready once there is nothing to tell: the log has the steps of the start.
        """
        if self._health.phase != "running":
            return
        ready, reasons = self._health.ready()
        if self._was_ready and not ready:
            self._journal.not_ready(reasons)
        elif self._was_ready is False and ready:
            self._journal.ready_again()
        if ready or self._was_ready is not None:
            self._was_ready = ready

    def __enter__(self) -> HealthWatch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._every):
            self.look()
