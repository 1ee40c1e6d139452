"""Dead letters of events that came too late."""

from __future__ import annotations

from sensorium.events import DeadLetter, Event

__all__ = ["late_letter"]


def late_letter(event: Event) -> DeadLetter:
    """The dead letter of a late event; its payload is decoded by now, so it has none."""
    return DeadLetter(
        stage="align",
        error="LateEvent",
        message=(
            "it came after its stream's bound, or after the deadline of every set that it could "
            "serve; a longer lateness, max_delay or deadline lets such events count"
        ),
        stream=event.stream,
        key=event.key,
        time=event.time,
        origin=event.origin,
    )
