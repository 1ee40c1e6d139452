"""What happened to the events of one key: a recording, run through ingest and align once more."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sensorium.align import Aligner, Standing
from sensorium.errors import ConfigError
from sensorium.events import AlignedSet, DeadLetter, Event, Fate
from sensorium.host import Pipeline, PluginHost
from sensorium.runtime import read_ingested
from sensorium.stages import Heartbeat, Ingested, Progress

__all__ = ["Seen", "Shown", "Story", "read_story"]


@dataclass(frozen=True, slots=True)
class Seen:
    """An event and what became of it.

    Parameters
    ----------
    event
        The event, its time with the stream's offset.
    fate
        What became of it.
    standing
        How far its stream was when it came, if it was refused then; else None.
    """

    event: Event
    fate: Fate
    standing: Standing | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A set that came out.

    Parameters
    ----------
    aligned
        The set.
    standing
        Per stream, how far it was for this key when the set came out.
    """

    aligned: AlignedSet
    standing: Mapping[str, Standing]


@dataclass
class Story:
    """Everything that happened to one key; a trace of an aligner.

    Parameters
    ----------
    pipeline
        Whose streams and policy it is.
    key
        The key.
    """

    pipeline: Pipeline
    key: str
    events: list[Seen] = field(default_factory=list)
    sets: list[Shown] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    #: Some of the recording's keys, for who asks for one that is not there.
    others: set[str] = field(default_factory=set)

    def refused(self, event: Event, fate: Fate, standing: Standing) -> None:
        """Note an event that was not accepted."""
        if event.key == self.key:
            self.events.append(Seen(event, fate, standing))

    def released(self, event: Event, fate: Fate) -> None:
        """Note an event that no set can use any more."""
        if event.key == self.key:
            self.events.append(Seen(event, fate, None))

    def settled(self, aligned: AlignedSet, standing: Mapping[str, Standing]) -> None:
        """Note a set."""
        if aligned.key == self.key:
            self.sets.append(Shown(aligned, standing))

    def of_stream(self, stream: str) -> list[Seen]:
        """The events of a stream by time, and of equal times by their arrival."""
        found = [one for one in self.events if one.event.stream == stream]
        return sorted(found, key=lambda one: (one.event.time, one.event.arrived or 0))

    def sets_with(self, event: Event) -> list[Shown]:
        """The sets that an event is a member of."""
        found = [
            shown for shown in self.sets if event in shown.aligned.members.get(event.stream, ())
        ]
        return sorted(found, key=lambda shown: shown.aligned.time)


def read_story(
    pipeline: Pipeline,
    host: PluginHost,
    data: Path,
    key: str,
    clock: Callable[[], int] = time.time_ns,
) -> Story:
    """Run a recording through ingest and align, as `run` does, and note what becomes of one key.

    Parameters
    ----------
    pipeline, host
        The pipeline and the plugins.
    data
        ``.mcap`` or ``.jsonl``.
    key
        The entity.
    clock
        Gives the log time, in ns since the epoch, of records that carry none.

    Raises
    ------
    ConfigError
        If the recording has no event of the key.
    RunError
        If it cannot be read.
    """
    story = Story(pipeline, key)
    aligners: dict[int, Aligner] = {}

    def aligner(partition: int) -> Aligner:
        if partition not in aligners:
            specs = {name: part.spec for name, part in pipeline.streams.items()}
            made = Aligner(pipeline.policy, specs, clock, pipeline.name, **pipeline.limits)
            made.trace(story)
            aligners[partition] = made
        return aligners[partition]

    for ingested in read_ingested(pipeline, host, data, clock):
        story.letters += _letters(ingested, key)
        _align(ingested, aligner, story)
    for one in aligners.values():
        one.close()
    if not story.events and not story.letters:
        raise ConfigError(_no_such_key(story, data))
    return story


def _align(ingested: Ingested, aligner: Callable[[int], Aligner], story: Story) -> None:
    for partition, item in ingested.items:
        if isinstance(item, Event):
            if len(story.others) < 1000:
                story.others.add(item.key)
            aligner(partition).add(item)
        elif isinstance(item, Heartbeat):
            aligner(partition).heartbeat(item.stream, item.time, item.arrived, item.key)
        elif isinstance(item, Progress):
            aligner(partition).progress(item.stream, item.log_time)


def _letters(ingested: Ingested, key: str) -> Sequence[DeadLetter]:
    """Those of the key; where no entity is known, the record's key may say it."""
    wanted = key.encode()
    return [
        letter
        for letter in ingested.letters
        if letter.key == key or (letter.key is None and letter.record_key == wanted)
    ]


def _no_such_key(story: Story, data: Path) -> str:
    import difflib

    known = sorted(story.others)
    near = difflib.get_close_matches(story.key, known, n=1)
    shown = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
    return f"{data} has no event of the key {story.key!r}" + (
        f"; did you mean {near[0]!r}?" if near else f"; it has {shown or 'no events at all'}"
    )
