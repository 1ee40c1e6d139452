"""The published cases of ApproximateTime.

Times, queue sizes and bounds are those of ros/ros_comm,
utilities/message_filters/test/test_approximate_time_policy.cpp (BSD-3-Clause, Willow Garage), in
seconds; each case has the name that it has there. Streams are a, b, c and d, in the order of the
topics, and events are logged in the order in which they are added there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from sensorium.align import Aligner, Approximate, StreamSpec
from sensorium.events import Event

SECOND = 1_000_000_000


@dataclass(frozen=True)
class Case:
    name: str
    events: str
    sets: Sequence[str]
    queue_size: int = 10
    min_period: Mapping[str, float] = field(default_factory=dict)


PERFECT = "a0 b1 a3 b4 a6 b7"
DROPPED = "a0 b1 b3 a4 b7 a8 a10 b11 a13 b14"
CASES = [
    Case("ExactMatch", "a0 b0 a3 b3 a6 b6", ["a0 b0", "a3 b3", "a6 b6"]),
    Case("PerfectMatch", PERFECT, ["a0 b1", "a3 b4"]),
    Case("ImperfectMatch", "a0 b1 a2 a3 b5 a6 b7", ["a0 b1", "a6 b5"]),
    Case("Acceleration", "a0 b7 a12 b15 a17 b18", ["a12 b7", "a17 b18"]),
    Case("DroppedMessages, queue size 1", DROPPED, ["a4 b3", "a10 b11"], 1),
    Case("DroppedMessages, queue size 2", DROPPED, ["a0 b1", "a4 b3", "a8 b7", "a10 b11"], 2),
    Case(
        "LongQueue",
        "a0 a1 a2 a3 a4 a5 a6 a7 a8 b3 a9 a10 a11 a12 b10 a13",
        ["a10 b10"],
        5,
    ),
    Case("DoublePublish", "a0 b1 b3 a3", ["a0 b1", "a3 b3"]),
    Case(
        "FourTopics",
        "a0 b1 c2 d3 a5 d5 b6 c6 a8 b9 c10 d11 a10 a13 b14",
        ["a0 b1 c2 d3", "a5 b6 c6 d5", "a10 b9 c10 d11"],
    ),
    Case("EarlyPublish", "a0 b1 c2 d3 a7", ["a0 b1 c2 d3"]),
    Case("RateBound 1.5", PERFECT, ["a0 b1", "a3 b4"], min_period={"a": 1.5}),
    Case("RateBound 2", PERFECT, ["a0 b1", "a3 b4", "a6 b7"], min_period={"a": 2}),
    Case("RateBoundAll", PERFECT, ["a0 b1", "a3 b4", "a6 b7"], min_period={"a": 2, "b": 2}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_sets_are_those_of_the_published_case(case: Case) -> None:
    streams = sorted({name[0] for name in case.events.split()})
    periods = {name: {"min_period": round(s * SECOND)} for name, s in case.min_period.items()}
    aligner = Aligner(
        Approximate.model_validate({"queue_size": case.queue_size, "streams": periods}),
        dict.fromkeys(streams, StreamSpec()),
    )
    found = []
    for order, name in enumerate(case.events.split()):
        time = int(name[1:]) * SECOND
        # Logged in the order of the case, which is not always that of the times.
        event = Event(name[0], "k", time, id=name, arrived=100 * SECOND + order)
        found += aligner.add(event)
    ids = [
        " ".join(event.id for events in one.members.values() for event in events) for one in found
    ]
    assert ids == case.sets
    assert sum(aligner.fates.values()) == len(case.events.split())
