"""What the door counts of who knocks."""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import Final

from sensorium.observe import METRICS, Histogram, Reading

__all__ = ["DoorMeters"]

_REQUESTS: Final = "sensorium_door_requests_total"
_SECONDS: Final = "sensorium_door_seconds"
_OUTCOMES: Final = ("answered", "refused", "unauthorized", "unavailable", "failed", "gone")


class DoorMeters:
    """Counts requests for predictions, and of other paths those without the token.

    Every request has a thread of its own, so unlike the line's these numbers have a lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # From 0 on: of a series that begins with its first request, Prometheus sees no increase.
        self._outcomes = dict.fromkeys(_OUTCOMES, 0)
        self._seconds = Histogram(METRICS[_SECONDS].buckets)

    def ended(self, status: HTTPStatus, seconds: float) -> None:
        """Count a request that got a status, after so many seconds."""
        outcome = _outcome_of(status)
        with self._lock:
            self._outcomes[outcome] += 1
            if outcome == "answered":
                self._seconds.add(seconds)

    def gone(self) -> None:
        """Count a request whose client went away, or was too slow."""
        with self._lock:
            self._outcomes["gone"] += 1

    def readings(self) -> list[Reading]:
        """All of it as it is now."""
        with self._lock:
            found = [Reading(_REQUESTS, (name,), it) for name, it in self._outcomes.items()]
            return [*found, Reading(_SECONDS, (), self._seconds.copy())]


def _outcome_of(status: HTTPStatus) -> str:
    if status < HTTPStatus.BAD_REQUEST:
        return "answered"
    if status is HTTPStatus.UNAUTHORIZED:
        return "unauthorized"
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        return "unavailable"
    return "refused" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed"
