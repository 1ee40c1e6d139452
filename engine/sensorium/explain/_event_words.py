"""What became of an event and why, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sensorium.durations import INFINITY, Duration
from sensorium.events import AlignedSet, Event, Fate
from sensorium.explain._story import Seen, Shown, Story
from sensorium.explain._times import TimeAxis, span

__all__ = ["deadline_of", "event_words", "set_name"]

_MOST_SETS: Final = 4


def event_words(story: Story, seen: Seen, axis: TimeAxis) -> str:
    """What became of an event and why.

    Parameters
    ----------
    story
        All that happened to its key.
    seen
        The event.
    axis
        Writes the times.
    """
    event = seen.event
    delay = (event.arrived or 0) - event.time
    lasts = f", lasting {span(event.duration)}" if event.duration else ""
    logged = f"logged {span(abs(delay))} {'later' if delay >= 0 else 'earlier'}"
    place = f" as {event.origin}" if event.origin else ""
    head = f"{event.stream} at {axis(event.time)}{lasts}, {logged}{place}: {seen.fate}."
    return " ".join([head, *_WHY[seen.fate](story, seen, axis)])


def set_name(story: Story, aligned: AlignedSet, axis: TimeAxis) -> str:
    """A set, as a sentence names it."""
    if story.pipeline.policy.name == "window":
        return f"the window {axis(aligned.start)} to {axis(aligned.end)}"
    return f"the set at {axis(aligned.time)}"


def deadline_of(story: Story, aligned: AlignedSet) -> Duration:
    """The log time up to which a set waits; infinite where there is none, or it is not known."""
    policy = story.pipeline.policy
    if policy.name == "window" and getattr(policy, "size", None) is not None:
        return aligned.end + policy.deadline
    if policy.name in ("nearest", "exact"):
        return aligned.time + policy.deadline
    return INFINITY


def _matched(story: Story, seen: Seen, axis: TimeAxis) -> Iterator[str]:
    sets = story.sets_with(seen.event)
    names = [_with_whom(story, shown, seen.event, axis) for shown in sets[:_MOST_SETS]]
    more = f", and {len(sets) - _MOST_SETS} more" if len(sets) > _MOST_SETS else ""
    if names:
        yield f"It is in {'; '.join(names)}{more}."


def _with_whom(story: Story, shown: Shown, event: Event, axis: TimeAxis) -> str:
    aligned = shown.aligned
    others = [name for name in aligned.members if name != event.stream]
    absent = [f"{name} absent ({reason})" for name, reason in aligned.absent.items()]
    parts = [f"with {', '.join(others)}"] if others else []
    return ", ".join([set_name(story, aligned, axis), *parts, *absent])


def _late(story: Story, seen: Seen, axis: TimeAxis) -> Iterator[str]:
    event, spec = seen.event, story.pipeline.streams[seen.event.stream].spec
    delay = (event.arrived or 0) - event.time
    standing = seen.standing
    if standing is None:
        yield "It came within its bounds, but after the deadline of every set that it could serve."
        yield from _deadlines(story, event, axis)
        return
    if delay > spec.max_delay:
        yield f"It was logged {span(delay)} after its time; max_delay is {span(spec.max_delay)}."
    if event.time >= standing.bound:
        return
    yield (
        f"When it came, nothing of this stream and key older than {axis(standing.bound)} counted "
        f"any more, and it is {span(standing.bound - event.time)} older."
    )
    if standing.own >= standing.shared:
        newest = standing.own + spec.lateness
        yield (
            f"That bound is the newest event of the key by then, at {axis(newest)}, less the "
            f"lateness of {span(spec.lateness)} (or a heartbeat's promise): a lateness of at least "
            f"{span(newest - event.time)} would have taken it."
        )
    elif standing.shared == standing.log_time - spec.max_delay:
        yield (
            f"That bound is how far the stream had been read by then, {axis(standing.log_time)} in "
            f"log time, less the max_delay of {span(spec.max_delay)}."
        )
    else:
        yield "That bound is the promise of a heartbeat of the stream."


def _deadlines(story: Story, event: Event, axis: TimeAxis) -> Iterator[str]:
    for shown in _around(story, event):
        deadline = deadline_of(story, shown.aligned)
        if deadline != INFINITY:
            yield (
                f"{_upper(set_name(story, shown.aligned, axis))} waited until "
                f"{axis(deadline)} in log time, and it was logged at {axis(event.arrived or 0)}, "
                f"{span((event.arrived or 0) - deadline)} after that."
            )


def _superseded(story: Story, seen: Seen, axis: TimeAxis) -> Iterator[str]:
    event = seen.event
    yield "It was within the reach of a set that came out, and another event was chosen."
    for shown in _around(story, event)[:2]:
        chosen = shown.aligned.members.get(event.stream, ())
        if chosen:
            at = shown.aligned.time
            yield (
                f"{_upper(set_name(story, shown.aligned, axis))} has that of "
                f"{axis(chosen[0].time)}, {span(abs(chosen[0].time - at))} away; this one is "
                f"{span(abs(event.time - at))} away."
            )


def _unmatched(story: Story, seen: Seen, _axis: TimeAxis) -> Iterator[str]:
    event, policy = seen.event, story.pipeline.policy
    require = policy.require if isinstance(policy.require, str) else ", ".join(policy.require)
    yield f"No set came out that could use it (policy {policy.name}, require: {require})."
    for name in story.pipeline.streams:
        if name == event.stream:
            continue
        found = story.of_stream(name)
        if not found:
            yield f"The recording has no event of {name} for this key."
            continue
        near = min(found, key=lambda one: abs(one.event.time - event.time))
        away = near.event.time - event.time
        side = "later" if away >= 0 else "earlier"
        yield f"The nearest of {name} is {span(abs(away))} {side} and is {near.fate}."


def _duplicate(story: Story, seen: Seen, axis: TimeAxis) -> Iterator[str]:
    event = seen.event
    first = next(
        (
            one.event
            for one in story.of_stream(event.stream)
            if one.event.time == event.time and one is not seen
            and one.fate not in (Fate.DUPLICATE, Fate.INVALID)
        ),
        None,
    )  # fmt: skip
    if first is None:
        yield "The same record had come before."
    else:
        yield (
            f"An event of this stream, key and time had come before, logged at "
            f"{axis(first.arrived or 0)}" + (f" as {first.origin}." if first.origin else ".")
        )


def _invalid(story: Story, seen: Seen, axis: TimeAxis) -> Iterator[str]:
    event, spec = seen.event, story.pipeline.streams[seen.event.stream].spec
    ahead = event.time - (event.arrived or 0)
    if ahead > spec.max_future:
        yield (
            f"Its time lies {span(ahead)} ahead of its log time {axis(event.arrived or 0)}; "
            f"max_future is {span(spec.max_future)}: is the device's clock wrong?"
        )
    if event.duration > spec.max_duration:
        yield f"It lasts {span(event.duration)}; max_duration is {span(spec.max_duration)}."


def _evicted(story: Story, _seen: Seen, _axis: TimeAxis) -> Iterator[str]:
    limits = ", ".join(f"{name} {limit}" for name, limit in story.pipeline.limits.items() if limit)
    yield f"A memory limit pushed it out with its sets ({limits})."


def _pending(_story: Story, _seen: Seen, _axis: TimeAxis) -> Iterator[str]:
    yield "The recording ended before that was decided."


_WHY: Final = {
    Fate.MATCHED: _matched,
    Fate.LATE: _late,
    Fate.SUPERSEDED: _superseded,
    Fate.UNMATCHED: _unmatched,
    Fate.DUPLICATE: _duplicate,
    Fate.INVALID: _invalid,
    Fate.EVICTED: _evicted,
    Fate.PENDING: _pending,
}


def _around(story: Story, event: Event) -> list[Shown]:
    """The sets whose span an event touches; else the one nearest to it."""
    touching = [
        shown
        for shown in story.sets
        if shown.aligned.start <= max(event.time, event.end - 1)
        and event.time < max(shown.aligned.end, shown.aligned.start + 1)
    ]
    if touching or not story.sets:
        return sorted(touching, key=lambda shown: shown.aligned.time)[:_MOST_SETS]
    return [min(story.sets, key=lambda shown: abs(shown.aligned.time - event.time))]


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]
