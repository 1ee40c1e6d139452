"""What runs a pipeline: one process, or many."""

from __future__ import annotations

from typing import Protocol

from sensorium.runtime._summary import RunSummary

__all__ = ["Executor"]


class Executor(Protocol):
    """Runs a pipeline from its source to its sink."""

    def run(self) -> RunSummary:
        """Run until the source ends or `stop` is called; then source and sink are closed.

        Raises
        ------
        RunError
            If source or sink fails for good.
        """
        ...

    def stop(self, *, now: bool = False) -> None:
        """Stop the intake; `run` then finishes what is in flight, flushes and returns.

        May be called from any thread or a signal handler, and more than once.

        Parameters
        ----------
        now
            Abandon what is in flight.
        """
        ...
