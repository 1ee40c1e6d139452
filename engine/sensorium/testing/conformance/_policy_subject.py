"""A policy to check, and the streams of events that it is tried with."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sensorium.align import Aligner
from sensorium.durations import parse_duration
from sensorium.events import AlignedSet, Event
from sensorium.plugin import Deadlines, Policy, StreamSpec
from sensorium.testing.conformance._report import Subject
from sensorium.testing.conformance._trials import microseconds

__all__ = ["KEYS", "SEEDS", "Log", "PolicySubject", "told"]

#: Per stream, its events in the order in which its log has them.
Log: TypeAlias = Mapping[str, Sequence[Event]]

KEYS: Final = ("one", "other")
#: What the streams are drawn from; each gives streams of its own.
SEEDS: Final = range(12)
_EVENTS: Final = 24


@dataclass(frozen=True)
class PolicySubject(Subject):
    """A policy to check.

    Parameters
    ----------
    plugin, config
        The class, and its parameters as in a pipeline file.
    streams
        The names of the streams.
    spacing
        How far apart the events of a stream and key lie, about: as far as the policy's parameters
        ask for, so that some of them belong together and some do not.
    """

    plugin: type[Policy]
    config: Mapping[str, Any]
    streams: Sequence[str] = ("left", "right", "up")
    spacing: str | int = "1s"

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.plugin.name

    @property
    def step(self) -> int:
        """`spacing` in ns."""
        step = parse_duration(self.spacing)
        if not isinstance(step, int) or step < 10:
            raise ValueError(f"spacing must be a duration of 10 ns at least, not {self.spacing!r}")
        return step

    @property
    def specs(self) -> dict[str, StreamSpec]:
        """How the streams come: late by up to two steps, delayed by up to five."""
        step = self.step
        spec = StreamSpec(
            lateness=2 * step, max_delay=5 * step, max_future=2 * step, max_duration=step
        )
        return dict.fromkeys(self.streams, spec)

    def policy(self) -> Policy:
        """The policy with its parameters."""
        return self.plugin.model_validate(dict(self.config))

    def aligner(
        self,
        max_pending_events: int | None = None,
        *,
        policy: Policy | None = None,
        deadlines: Deadlines | None = None,
    ) -> Aligner:
        """A fresh aligner over all streams."""
        return Aligner(
            policy or self.policy(),
            self.specs,
            clock=lambda: 0,
            pipeline="conformance",
            max_pending_events=max_pending_events,
            deadlines=deadlines,
        )

    def log(self, seed: int) -> dict[str, list[Event]]:
        """Streams with jitter, losses, repetitions, disorder within bounds, and some disorder
        beyond: per stream, in the order of its log."""
        draw = random.Random(seed)  # noqa: S311 - no secret
        step = self.step
        log = {}
        for stream in self.streams:
            events = []
            for key in KEYS:
                for number in range(_EVENTS):
                    if draw.random() < 0.15:
                        continue
                    near = draw.choice([0, 0, step // 10, -step // 10, step // 3])
                    time = number * step + near
                    late = draw.random() < 0.05
                    arrived = time + draw.randrange(step) + (6 * step if late else 0)
                    origin = f"{stream}/0/{key}-{number}"
                    events.append(Event(stream, key, time, origin=origin, arrived=arrived))
                    if draw.random() < 0.05:
                        events.append(Event(stream, key, time, origin=origin, arrived=arrived + 1))
            log[stream] = sorted(events, key=lambda event: (event.arrived or 0, event.id))
        return log

    def merged(self, log: Log, seed: int) -> list[Event]:
        """One order in which the streams may be read."""
        draw = random.Random(seed)  # noqa: S311 - no secret
        turns = [stream for stream, events in log.items() for _ in events]
        draw.shuffle(turns)
        left = {stream: iter(events) for stream, events in log.items()}
        return [next(left[stream]) for stream in turns]

    def by_time(self, log: Log) -> list[Event]:
        """The order of a reader that reads all streams equally far."""
        events = [event for stream in log.values() for event in stream]
        return sorted(events, key=lambda event: event.arrived or 0)

    def run(
        self, events: Iterable[Event], aligner: Aligner | None = None
    ) -> tuple[list[AlignedSet], Counter[str]]:
        """All sets in the order in which they come, and the fates."""
        aligner = aligner or self.aligner()
        sets = [aligned for event in events for aligned in aligner.add(event)]
        sets += aligner.close()
        return sets, Counter({str(fate): count for fate, count in aligner.fates.items()})

    def figures(self) -> Mapping[str, float]:
        """What an event costs in an aligner."""
        events = self.by_time(self.log(0))
        return {"align": microseconds(lambda: self.run(events), len(events))}


def told(aligned: AlignedSet) -> tuple[Any, ...]:
    """All that a set says, to be compared."""
    return (
        aligned.id,
        aligned.key,
        aligned.time,
        aligned.start,
        aligned.end,
        tuple(
            (stream, tuple(it.id for it in events)) for stream, events in aligned.members.items()
        ),
        tuple(sorted((stream, str(reason)) for stream, reason in aligned.absent.items())),
        tuple(sorted(aligned.unsettled)),
        aligned.revision,
    )
