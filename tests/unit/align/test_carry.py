"""What a restart needs besides the log: when it is told, and that it is enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.align import Aligner, Approximate, Carry, StreamSpec, horizon
from sensorium.errors import AlignmentError
from sensorium.events import AlignedSet, Event
from sensorium.plugin import Matcher

#: The bounds follow the log only.
SPEC = StreamSpec(lateness=9, max_delay=6, max_future=0, max_duration=0)
STREAMS = {"a": SPEC, "b": SPEC}


class Standing:
    """As much of a matcher as is asked for here."""

    def __init__(self, carried: Any = None) -> None:
        self.carried = carried
        self.resumed: Any = None

    def carry(self) -> Any:
        return self.carried

    def resume(self, carried: Any) -> None:
        self.resumed = carried


def note(carry: Carry, key: str, carried: Any) -> None:
    matcher: Any = Standing(carried)
    carry.note(key, matcher)


def resumed(carry: Carry, key: str) -> Any:
    matcher: Any = Standing()
    carry.start(key, matcher)
    return matcher.resumed


def test_only_what_has_changed_is_told() -> None:
    carry = Carry(10)
    note(carry, "k", (1,))
    note(carry, "k", (2,))
    note(carry, "l", None)
    assert carry.take(0, 0) == {"k": (2,)}
    note(carry, "k", (2,))
    assert carry.take(1, 1) == {}
    note(carry, "k", (3,))
    assert carry.take(2, 2) == {"k": (3,)}


def test_a_new_matcher_goes_on_from_what_is_newest() -> None:
    carry = Carry(10)
    carry.load({"k": (1,), "l": (1,)}, ["m"])
    assert (resumed(carry, "k"), resumed(carry, "m"), resumed(carry, "n")) == ((1,), None, None)
    note(carry, "k", (2,))
    assert resumed(carry, "k") == (2,)
    carry.take(0, 0)
    assert (resumed(carry, "k"), resumed(carry, "l")) == ((2,), (1,))


def test_what_no_longer_holds_is_ended_with_the_next_cut() -> None:
    carry = Carry(10)
    carry.load({"k": (1,)}, ["old"])
    carry.drop("k")
    carry.drop("never heard of")
    assert resumed(carry, "k") is None
    assert carry.take(0, 0) == {"old": None, "k": None}
    assert carry.take(100, 100) == {}


def test_a_key_is_dropped_when_the_log_has_moved_on_by_two_horizons() -> None:
    carry = Carry(10)
    carry.load({"k": (1,)})
    note(carry, "l", (1,))
    # It is not known when `k` was stored: from now on it counts.
    assert carry.take(3, 5) == {"l": (1,)}
    note(carry, "l", (2,))
    assert carry.take(20, 22) == {"l": (2,)}
    assert carry.take(25, 25) == {}
    assert carry.take(26, 26) == {"k": None}
    assert carry.take(42, 42) == {}
    assert carry.take(43, 43) == {"l": None}


@pytest.mark.parametrize("carried", [5, "text", (1,), ((0, 0), (False,), None)])
def test_what_another_version_has_written_is_refused_by_name(carried: Any) -> None:
    carry = Carry(100)
    carry.load({"k": carried})
    aligner = Aligner(Approximate(max_interval=5), STREAMS, pipeline="p", carry=carry)
    with pytest.raises(AlignmentError, match=r"key 'k'.*another version.*`group`"):
        aligner.add(Event("a", "k", 1, arrived=1))


def test_a_key_that_was_forgotten_for_room_is_dropped() -> None:
    carry = Carry(1000)
    policy = Approximate(max_interval=5)
    aligner = Aligner(policy, STREAMS, max_keys=1, carry=carry)
    for stream in STREAMS:
        aligner.add(Event(stream, "k", 0, arrived=0))
        aligner.progress(stream, 7)
    assert carry.take(7, 7).keys() == {"k"}
    aligner.add(Event("a", "l", 7, arrived=7))
    assert carry.take(7, 7) == {"k": None}


POLICIES = st.builds(
    Approximate,
    max_interval=st.sampled_from([1, 2, 4, 9]),
    age_penalty=st.sampled_from([0.0, 0.1, 10.0]),
    deadline=st.sampled_from([0, 3, 8]),
    require=st.sampled_from(["all", "any", ["a"]]),
) | st.builds(
    Approximate,
    max_interval=st.sampled_from([1, 2, 4, 9]),
    age_penalty=st.sampled_from([0.0, 0.1, 10.0]),
    # So that it overflows: the records of one stream lie up to six behind those of the other.
    queue_size=st.sampled_from([1, 2, 3]),
)


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """Both streams in the order of log time, every other event out of order."""
    events = []
    for name, phase in (("a", 0), ("b", 2)):
        for at in range(draw(st.integers(0, 40))):
            time = 4 * at + phase
            if draw(st.integers(0, 5)):
                events.append((time + draw(st.sampled_from([0, 0, 1, 3, 6])), name, time))
    return [Event(name, "k", time, arrived=arrived) for arrived, name, time in sorted(events)]


def played(aligner: Aligner, events: Sequence[Event]) -> list[AlignedSet]:
    return [one for event in events for one in aligner.add(event)]


@given(POLICIES, logs(), st.integers(0, 80), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_one_horizon_of_the_log_and_what_is_carried_are_enough(
    policy: Approximate, events: list[Event], cut: int, rng: Any
) -> None:
    """Whichever stream is read again first."""
    span = int(horizon(policy, STREAMS.values()))
    carry = Carry(span)
    aligner = Aligner(policy, STREAMS, carry=carry)
    read = events[:cut]
    played(aligner, read)
    times = {name: aligner.log_times.get(name) for name in STREAMS}
    if None in times.values():
        return
    least = min(time for time in times.values() if time is not None)

    again = [event for event in read if event.arrived is not None and event.arrived >= least - span]
    streams = list(STREAMS)
    rng.shuffle(streams)
    again.sort(key=lambda event: streams.index(event.stream))
    other = Carry(span)
    other.load(carry.take(least, max(time for time in times.values() if time is not None)))
    restarted = Aligner(policy, STREAMS, carry=other)
    played(restarted, again)
    for name, time in times.items():
        assert time is not None
        restarted.progress(name, time)

    assert restarted.fates.get("pending", 0) == aligner.fates.get("pending", 0)
    assert other.take(-1000, 0) == {}
    rest = events[cut:]
    assert played(restarted, rest) == played(aligner, rest)
    assert restarted.close() == aligner.close()


@pytest.mark.parametrize("deadline", ["inf", 5])
def test_a_matcher_that_has_used_nothing_carries_nothing(deadline: Any) -> None:
    policy = Approximate(max_interval=3, deadline=deadline)
    matcher: Matcher = policy.matcher(["a", "b"], [SPEC, SPEC])
    assert matcher.carry() is None
