"""One event of one stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sensorium.sealed import sealed

__all__ = ["Event"]


@sealed
@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to one entity in one stream.

    Two events are equal when they are the same record: `value` and `arrived` are not compared.

    Parameters
    ----------
    stream
        The stream's name in the pipeline, as ``"accel"``.
    key
        The entity whose streams are aligned together, as a session, a vehicle or a patient.
    time
        Event time: when it happened by the producer's clock, in ns since the epoch. Of a chunk,
        the time of its first sample.
    value
        The decoded payload; whatever the stream's modality gives.
    id
        What tells it from another event of the same stream, key and time. The default is
        `origin`, else ``stream/key/time``.
    origin
        Where it was read: ``topic/partition/offset``.
    arrived
        Log time: when the log took it, in ns since the epoch. The default is the aligner's clock
        when the event is added.
    duration
        A chunk covers ``[time, time + duration)``, in ns.

    Raises
    ------
    TypeError
        If `time` or `duration` is not an ``int``.
    ValueError
        If `duration` is negative.
    """

    stream: str
    key: str
    time: int
    value: Any = field(default=None, compare=False, repr=False)
    id: str = ""
    origin: str | None = None
    arrived: int | None = field(default=None, compare=False)
    duration: int = 0

    def __post_init__(self) -> None:
        if type(self.time) is not int or type(self.duration) is not int:
            raise TypeError(
                f"time and duration of an event are int nanoseconds, not "
                f"{self.time!r} and {self.duration!r}"
            )
        if self.duration < 0:
            raise ValueError(f"the duration of an event is {self.duration} ns; it cannot be < 0")
        if not self.id:
            identity = self.origin or f"{self.stream}/{self.key}/{self.time}"
            object.__setattr__(self, "id", identity)

    def __deepcopy__(self, memo: dict[int, Any]) -> Event:
        """Itself: it is immutable, and a copy of an aligner's state shares it."""
        return self

    @property
    def end(self) -> int:
        """The first instant after the event: ``time + duration``."""
        return self.time + self.duration
