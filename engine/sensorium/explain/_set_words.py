"""What a set has, and why it lacks what it lacks, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from sensorium.durations import INFINITY
from sensorium.events import Absence, AlignedSet
from sensorium.explain._event_words import deadline_of, set_name
from sensorium.explain._story import Shown, Story
from sensorium.explain._times import TimeAxis, span

__all__ = ["set_words"]


def set_words(story: Story, shown: Shown, axis: TimeAxis) -> str:
    """What a set has, and of every stream that it lacks why.

    Parameters
    ----------
    story
        All that happened to its key.
    shown
        The set.
    axis
        Writes the times.
    """
    aligned = shown.aligned
    name = set_name(story, aligned, axis)
    have = ", ".join(
        f"{stream} ({len(events)} event{'s' if len(events) != 1 else ''}"
        + (f", {axis(events[0].time)})" if len(events) == 1 else ")")
        for stream, events in aligned.members.items()
    )
    revision = " as a revision" if aligned.revision else ""
    head = f"{name[0].upper()}{name[1:]} came out{revision} with {have or 'nothing'}."
    parts = [head]
    for stream, reason in aligned.absent.items():
        parts += _absence(story, shown, stream, reason, axis)
    for stream in sorted(aligned.unsettled - aligned.absent.keys()):
        parts.append(
            f"{stream} had not settled by the deadline: a member more, or a better one, might "
            "still have come."
        )
    return " ".join(parts)


def _absence(
    story: Story, shown: Shown, stream: str, reason: Absence, axis: TimeAxis
) -> Iterator[str]:
    standing = shown.standing[stream]
    spec = story.pipeline.streams[stream].spec
    if reason is Absence.TIMEOUT:
        deadline = deadline_of(story, shown.aligned)
        until = f" ({axis(deadline)} in log time)" if deadline != INFINITY else ""
        yield (
            f"{stream} is absent (timeout): when the deadline had passed{until}, nothing of it was "
            f"there, and events from {axis(standing.bound)} on could still have come: it had been "
            f"read up to {axis(standing.log_time)}."
        )
    elif standing.bound == INFINITY:
        yield f"{stream} is absent (proven): the recording ended without any."
    elif standing.own >= standing.shared:
        newest = standing.own + spec.lateness
        yield (
            f"{stream} is absent (proven): its newest event for this key was at {axis(newest)}, "
            f"so with a lateness of {span(spec.lateness)} nothing before {axis(standing.bound)} "
            "could count any more, and nothing was there."
        )
    else:
        yield (
            f"{stream} is absent (proven): it had been read up to {axis(standing.log_time)} in log "
            f"time, so with a max_delay of {span(spec.max_delay)} nothing before "
            f"{axis(standing.bound)} could count any more, and nothing was there."
        )
    yield from _missed(story, shown.aligned, stream, axis)


def _missed(story: Story, aligned: AlignedSet, stream: str, axis: TimeAxis) -> Iterator[str]:
    """Events that would have been in the set, had they come in time."""
    end = max(aligned.end, aligned.start + 1)
    for seen in story.of_stream(stream):
        if aligned.start <= seen.event.time < end:
            yield f"That of {axis(seen.event.time)} was {seen.fate}."
            return
