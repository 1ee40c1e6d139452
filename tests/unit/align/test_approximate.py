"""The policy `approximate` against an oracle, and what a user sees of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from approximate_oracle import approximate_sets
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sensorium.align import Aligner, Approximate, StreamSpec
from sensorium.durations import INFINITY
from sensorium.errors import AlignmentError
from sensorium.events import AlignedSet, Event

NAMES = "abcd"
LATENESS = 6

TIMES = st.lists(st.integers(0, 40), max_size=9, unique=True).map(sorted)
STREAMS = st.lists(TIMES, min_size=2, max_size=4)
INTERVALS = st.sampled_from([INFINITY, 0, 2, 5, 12])
PENALTIES = st.sampled_from([0.0, 0.1, 0.5, 3.0])


def policy(interval: float, penalty: float, **more: object) -> Approximate:
    return Approximate.model_validate(
        {"max_interval": interval, "age_penalty": penalty, "queue_size": 1000, **more}
    )


def aligner_of(rule: Approximate, streams: int, **spec: object) -> Aligner:
    given = StreamSpec.model_validate({"lateness": LATENESS, **spec})
    return Aligner(rule, dict.fromkeys(NAMES[:streams], given))


def events_of(streams: Sequence[Sequence[int]], key: str = "k") -> list[Event]:
    return [
        Event(name, key, time, id=f"{name}{time}")
        for name, times in zip(NAMES, streams, strict=False)
        for time in times
    ]


def logged(events: Sequence[Event], jitter: Sequence[int]) -> list[Event]:
    """The events in log order, each up to the lateness after it happened."""
    arrivals = [
        (event.time + late, at, event)
        for at, (event, late) in enumerate(zip(events, jitter, strict=True))
    ]
    return [
        Event(event.stream, event.key, event.time, id=event.id, arrived=arrived)
        for arrived, _, event in sorted(arrivals)
    ]


def times_of(found: Sequence[AlignedSet], key: str = "k") -> list[tuple[int, ...]]:
    return [
        tuple(events[0].time for events in one.members.values()) for one in found if one.key == key
    ]


@given(STREAMS, INTERVALS, PENALTIES, st.data())
@settings(max_examples=400, deadline=None)
def test_it_finds_what_the_oracle_finds_in_any_order_of_arrival(streams, interval, penalty, data):
    events = events_of(streams)
    jitter = data.draw(st.lists(st.integers(0, LATENESS), min_size=len(events), max_size=99))
    aligner = aligner_of(policy(interval, penalty), len(streams))
    found = []
    for count, event in enumerate(logged(events, jitter[: len(events)]), 1):
        found += aligner.add(event)
        assert sum(aligner.fates.values()) == count
    found += aligner.close()
    assert times_of(found) == approximate_sets(streams, interval, penalty)
    assert aligner.fates["pending"] == 0
    assert aligner.fates["matched"] == sum(len(one.members) for one in found)


@given(STREAMS, STREAMS, PENALTIES)
@settings(max_examples=100, deadline=None)
def test_keys_are_independent_and_a_snapshot_goes_on_as_if_nothing_had_happened(one, two, penalty):
    rule = policy(12, penalty)
    both = sorted(
        events_of(one, "k") + events_of(two[: len(one)], "l"), key=lambda event: event.time
    )
    aligner = aligner_of(rule, len(one))
    found = []
    for event in both:
        aligner = Aligner.restore(aligner.snapshot())
        found += aligner.add(
            Event(event.stream, event.key, event.time, id=event.id, arrived=event.time)
        )
    found += aligner.close()
    assert times_of(found, "k") == approximate_sets(one, 12, penalty)
    padded = [*two[: len(one)], *([[]] * (len(one) - len(two)))]
    assert times_of(found, "l") == approximate_sets(padded, 12, penalty)


@given(STREAMS, st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_a_full_queue_evicts_and_nothing_is_unaccounted_for(streams, size):
    aligner = aligner_of(Approximate(queue_size=size), len(streams))
    events = sorted(events_of(streams), key=lambda event: event.time)
    found = []
    for count, event in enumerate(events, 1):
        found += aligner.add(Event(event.stream, "k", event.time, id=event.id, arrived=event.time))
        assert sum(aligner.fates.values()) == count
        # Within the queues, and those that wait for what may still come before them.
        assert aligner.fates["pending"] <= len(streams) * (size + LATENESS + 1)
    found += aligner.close()
    members = [event.id for one in found for events in one.members.values() for event in events]
    assert len(members) == len(set(members))
    assert aligner.fates["pending"] == 0


def test_a_silent_stream_lets_go_of_what_is_too_old_for_it() -> None:
    aligner = aligner_of(policy(5, 0.1), 2, lateness=0, max_delay=3)
    for time in (0, 10, 20):
        aligner.add(Event("a", "k", time, arrived=time))
    assert aligner.fates == {"pending": 3}
    aligner.progress("b", 19)  # nothing of b older than 16 can count
    assert aligner.fates == {"pending": 1, "unmatched": 2}


def test_a_set_comes_out_as_soon_as_a_bound_proves_it() -> None:
    aligner = aligner_of(policy(INFINITY, 0.1), 2, lateness=0)
    aligner.add(Event("a", "k", 0, arrived=0))
    assert not aligner.add(Event("b", "k", 4, arrived=4))  # an a at 4 would be better
    assert not aligner.advance("a", 5)
    assert times_of(aligner.advance("a", 8)) == [(0, 4)]


def test_what_a_better_set_displaced_is_superseded() -> None:
    aligner = aligner_of(policy(INFINITY, 0.1), 2, lateness=0)
    for stream, time in (("a", 0), ("b", 7), ("a", 6)):
        aligner.add(Event(stream, "k", time, arrived=time))
    assert times_of(aligner.close()) == [(6, 7)]
    assert aligner.fates == {"matched": 2, "superseded": 1}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"require": "any"}, "makes whole sets only"),
        ({"queue_size": 0}, "greater than or equal to 1"),
        ({"age_penalty": -1}, "greater than or equal to 0"),
        ({"primary": "a"}, "Extra inputs"),
    ],
)
def test_what_it_cannot_do_is_refused(fields, message) -> None:
    with pytest.raises(ValidationError, match=message):
        Approximate.model_validate(fields)


def test_a_stream_that_is_not_there_is_refused() -> None:
    with pytest.raises(AlignmentError, match="names the stream 'gps'"):
        aligner_of(Approximate.model_validate({"streams": {"gps": {"min_period": 1}}}), 2)


@pytest.mark.parametrize("penalty", [0.0, 0.1, 1.0])
def test_a_set_comes_out_at_the_very_bound_that_proves_it(penalty: float) -> None:
    """And not one later: who asks again then would find what nobody has been told."""
    aligner = aligner_of(policy(INFINITY, penalty), 2, lateness=0)
    aligner.add(Event("a", "k", 0, arrived=0))
    aligner.add(Event("b", "k", 30, arrived=30))
    needed = next(end for end in range(30, 100) if (end - 30) * (1 + penalty) >= 30)
    aligner.advance("b", 200)
    assert not aligner.advance("a", needed - 1)
    assert times_of(aligner.advance("a", needed)) == [(0, 30)]
