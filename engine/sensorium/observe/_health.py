"""Whether a run lives, and whether it is ready, each with reasons."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

__all__ = ["Health", "Phase", "Verdict", "Waits"]

#: ``loading``: models. ``starting``: the source has not answered yet. ``running``. ``stopping``:
#: what is in flight is finished.
Phase: TypeAlias = Literal["loading", "starting", "running", "stopping"]
#: What the loop may be waiting for outside of itself; the empty text while it works.
Waits: TypeAlias = Literal["", "source", "sink", "models"]

_PHASES: Final[dict[str, str]] = {
    "loading": "models are being loaded",
    "starting": "the source has not assigned partitions yet",
    "stopping": "it is stopping",
}


class Verdict(NamedTuple):
    """An answer with its reasons.

    Parameters
    ----------
    ok
        The answer.
    reasons
        Why not; empty where `ok`.
    """

    ok: bool
    reasons: tuple[str, ...] = ()


class Health:
    """What the loop says of itself as it turns, and what follows from it.

    The loop is one thread; any thread may ask.

    Parameters
    ----------
    stall_after
        How long, in seconds, the loop may work on one turn (then it is not live), or wait for
        source, sink or models (then it is not ready).
    timer
        Gives seconds that only grow.
    """

    def __init__(
        self, stall_after: float = 60, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self.stall_after = stall_after
        #: How far the run has come.
        self.phase: Phase = "loading"
        #: How many partition numbers the source has assigned; None where it does not say.
        self.partitions: int | None = None
        self._timer = timer
        self._place: tuple[Waits, float] = ("", timer())
        self._models_since: float | None = None
        self._thread: int | None = None

    def enter(self, place: Waits = "") -> None:
        """Say that the loop begins to wait for something, or, without a place, that it turns."""
        self._place = (place, self._timer())
        if self._thread is None:
            self._thread = threading.get_ident()

    def models(self, in_flight: int) -> None:
        """Say that models have just been given something, or have given something back.

        Parameters
        ----------
        in_flight
            How many sets are with them now.
        """
        self._models_since = self._timer() if in_flight else None

    @property
    def models_silent(self) -> float:
        """For how long, in seconds, the models have given nothing back of what they have."""
        since = self._models_since
        return 0.0 if since is None else self._timer() - since

    def live(self) -> Verdict:
        """Whether the loop turns, or waits for something outside of itself."""
        place, since = self._place
        passed = self._timer() - since
        if self.phase in ("running", "stopping") and not place and passed > self.stall_after:
            return Verdict(False, (f"the loop has not turned for {passed:.0f} s{self._where()}",))
        return Verdict(True)

    def ready(self) -> Verdict:
        """Whether models are loaded and partitions assigned, and nothing holds up the loop."""
        reasons = list(self.live().reasons)
        if self.phase in _PHASES:
            reasons.append(_PHASES[self.phase])
        elif self.partitions == 0:
            reasons.append("no partition is assigned to this process")
        place, since = self._place
        passed = self._timer() - since
        if place in ("source", "sink") and passed > self.stall_after:
            reasons.append(f"the {place} has not answered for {passed:.0f} s")
        # The loop looks in on the models again and again: what counts is when they gave something.
        silent = self.models_silent
        if silent > self.stall_after:
            reasons.append(f"the models have given nothing back for {silent:.0f} s")
        return Verdict(not reasons, tuple(reasons))

    def _where(self) -> str:
        """Where the loop's thread is: code, never values."""
        frame = sys._current_frames().get(self._thread) if self._thread is not None else None
        if frame is None:
            return ""
        code = frame.f_code
        return f"; it is in {code.co_name}, {Path(code.co_filename).name}:{frame.f_lineno}"
