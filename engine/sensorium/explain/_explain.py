"""One event, one moment, or all of a key: what there is to say, and what to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sensorium.errors import ConfigError
from sensorium.events import DeadLetter, Fate
from sensorium.explain._event_words import event_words
from sensorium.explain._set_words import set_words
from sensorium.explain._story import Seen, Shown, Story
from sensorium.explain._times import TimeAxis

__all__ = ["Explanation", "explain"]

_MOST: Final = 10
#: What a summary has something to say about.
_WRONG: Final = (Fate.LATE, Fate.INVALID, Fate.EVICTED, Fate.UNMATCHED, Fate.DUPLICATE)
_SECOND: Final = 1_000_000_000
_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Explanation:
    """What there is to say of a key.

    Parameters
    ----------
    story
        All that happened to it.
    axis
        Writes the times.
    lines
        The sentences.
    focus
        The event that was asked about, if it was one.
    moment
        The time that was asked about, in ns; None for the whole.
    span
        The event times to show in a picture, in ns.
    """

    story: Story
    axis: TimeAxis
    lines: Sequence[str]
    focus: Seen | None
    moment: int | None
    span: tuple[int, int]


def explain(
    story: Story, *, time: str | None = None, stream: str | None = None, around: int | None = None
) -> Explanation:
    """Say what happened to one event, at one moment, or to all of a key.

    Parameters
    ----------
    story
        What happened to the key.
    time
        The moment, as `TimeAxis.read` takes it; None for all.
    stream
        The stream whose event nearest to the moment is meant; None for the moment itself, or all
        streams.
    around
        How much to show on either side of the moment, in ns; None for what the sets need.

    Raises
    ------
    ConfigError
        If there is no such stream, or it has no events of the key, or the time is none.
    """
    if stream is not None and stream not in story.pipeline.streams:
        raise ConfigError(
            f"there is no stream {stream!r}; there are {', '.join(story.pipeline.streams)}"
        )
    times = [one.event.time for one in story.events] + [
        letter.time for letter in story.letters if letter.time is not None
    ]
    first, last = min(times, default=0), max(times, default=0)
    axis = TimeAxis(first, exact=last - first < _MS)
    head = f"{story.key}: times are from {axis.began}, its first event."
    if time is None:
        margin = max((last - first) // 50, 1)
        lines = [head, *_summary(story, stream, axis)]
        return Explanation(story, axis, lines, None, None, (first - margin, last + margin))
    moment = axis.read(time)
    if stream is None:
        sets = _sets_at(story, moment)
        near = [
            min(found, key=lambda one: abs(one.event.time - moment))
            for name in story.pipeline.streams
            if (found := story.of_stream(name))
        ]
        lines = [head, f"At {axis(moment)}:"]
        lines += [set_words(story, one, axis) for one in sets] or ["No set is near."]
        lines += [event_words(story, one, axis) for one in near]
        return Explanation(story, axis, lines, None, moment, _span(story, moment, sets, around))
    found = story.of_stream(stream)
    if not found:
        raise ConfigError(f"the recording has no event of {stream} for the key {story.key!r}")
    nearest = min(found, key=lambda one: abs(one.event.time - moment)).event.time
    # Of several at that time, duplicates come last.
    same = sorted(
        (one for one in found if one.event.time == nearest),
        key=lambda one: one.fate is Fate.DUPLICATE,
    )
    focus = same[0]
    sets = story.sets_with(focus.event) or _sets_at(story, focus.event.time)
    lines = [head, *(event_words(story, one, axis) for one in same)]
    lines += [set_words(story, one, axis) for one in sets]
    at = focus.event.time
    return Explanation(story, axis, lines, focus, at, _span(story, at, sets, around))


def _sets_at(story: Story, moment: int) -> list[Shown]:
    """The sets that cover a moment, else the one nearest to it."""
    covering = [
        shown
        for shown in story.sets
        if shown.aligned.start <= moment < max(shown.aligned.end, shown.aligned.start + 1)
    ]
    if covering or not story.sets:
        return covering
    return [min(story.sets, key=lambda shown: abs(shown.aligned.time - moment))]


def _span(story: Story, moment: int, sets: Sequence[Shown], around: int | None) -> tuple[int, int]:
    if around is not None:
        return moment - around, moment + around
    first = min([moment, *(shown.aligned.start for shown in sets)])
    last = max([moment, *(shown.aligned.end for shown in sets)])
    near = sorted(abs(one.event.time - moment) for one in story.events)
    # As far again on either side, and at least up to the twentieth event.
    margin = max((last - first) // 2, near[min(20, len(near) - 1)] if near else _SECOND, _MS)
    return first - margin, last + margin


def _summary(story: Story, stream: str | None, axis: TimeAxis) -> Iterator[str]:
    names = [stream] if stream is not None else list(story.pipeline.streams)
    wrong: list[Seen] = []
    for name in names:
        found = story.of_stream(name)
        fates = Counter(str(one.fate) for one in found)
        told = ", ".join(f"{count} {fate}" for fate, count in fates.most_common())
        yield f"{name}: {len(found)} events" + (f" ({told})." if told else ".")
        wrong += [one for one in found if one.fate in _WRONG]
    absent = Counter(
        f"{name} absent ({reason})"
        for shown in story.sets
        for name, reason in shown.aligned.absent.items()
    )
    told = "".join(f", {what} in {count}" for what, count in absent.most_common())
    yield f"{len(story.sets)} sets came out{told}."
    for letter in story.letters[:_MOST]:
        yield _letter_words(letter)
    yield from _not_all(len(story.letters), "dead letters")
    for one in sorted(wrong, key=lambda one: one.event.time)[:_MOST]:
        yield event_words(story, one, axis)
    yield from _not_all(len(wrong), "events that no set has")


def _letter_words(letter: DeadLetter) -> str:
    stream = f" of {letter.stream}" if letter.stream else ""
    return (
        f"A record{stream} ({letter.origin}) is a dead letter of {letter.stage}: {letter.message}"
    )


def _not_all(count: int, what: str) -> Iterator[str]:
    if count > _MOST:
        yield f"And {count - _MOST} more {what}; name one with --time and --stream."
