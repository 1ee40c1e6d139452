"""`approximate` with a deadline: partial sets, and what stays true of whole ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from alignment_calls import INF, Add, Call, Close, Found, Progress, Spec
from alignment_runs import found, make
from alignment_strategies import Case, cases, merge, share
from approximate_oracle import approximate_sets
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.align import Aligner, Approximate, StreamSpec
from sensorium.events import Event, Fate


@st.composite
def approximates(draw: st.DrawFn, calls: int = 18) -> tuple[Approximate, Case]:
    """A policy with a deadline, and streams as those of `exact`."""
    case = draw(cases("exact", calls=calls))
    require: Any = draw(st.sampled_from(["any", "all", [min(case.specs)]]))
    policy = Approximate(
        max_interval=draw(st.sampled_from([INF, 0, 2, 5])),
        age_penalty=draw(st.sampled_from([0.0, 0.1, 1.0])),
        deadline=draw(st.sampled_from([0, 1, 3, 8])),
        require=require,
    )
    return policy, case


def engine_of(policy: Approximate, case: Case) -> Aligner:
    specs = {name: StreamSpec(**vars(spec)) for name, spec in case.specs.items()}
    return Aligner(policy, specs, pipeline="p")


def run(policy: Approximate, case: Case, calls: Sequence[Call]) -> tuple[list[Found], Counter[str]]:
    engine = engine_of(policy, case)
    sets = [found(one) for call in [*calls, Close()] for one in make(engine, call)]
    return sets, Counter({str(fate): n for fate, n in engine.fates.items()})


@given(data=st.data())
@settings(max_examples=share(2))
def test_the_interleaving_of_streams_does_not_matter(data: st.DataObject) -> None:
    policy, case = data.draw(approximates())
    shuffled = merge(case.logs, data.draw(st.permutations(case.turns)))
    one, fates = run(policy, case, case.calls)
    other, other_fates = run(policy, case, shuffled)
    assert (Counter(one), fates) == (Counter(other), other_fates)


@given(data=st.data())
@settings(max_examples=share(2))
def test_fates_add_up_and_no_event_is_in_two_sets_and_nothing_waits_beyond_the_deadline(
    data: st.DataObject,
) -> None:
    policy, case = data.draw(approximates())
    engine = engine_of(policy, case)
    read = dict.fromkeys(case.specs, -INF)
    used: Counter[tuple[str, tuple[str, int, str]]] = Counter()
    adds = 0
    for call in [*case.calls, Close()]:
        engine = Aligner.restore(engine.snapshot())
        if isinstance(call, Add | Progress):
            at = call.arrived if isinstance(call, Add) else call.log_time
            read[call.stream] = max(read[call.stream], at)
        adds += isinstance(call, Add)
        for aligned in map(found, make(engine, call)):
            used.update((aligned.key, member) for member in aligned.members)
            names = {stream for stream, _, _ in aligned.members}
            assert len(names) == len(aligned.members)
            times = [time for _, time, _ in aligned.members]
            assert max(times) - min(times) <= policy.max_interval
            assert max(times) == aligned.time
            assert names | {stream for stream, _ in aligned.absent} == set(case.specs)
            if policy.require == "all":
                assert not aligned.absent
        assert engine.fates.total() == adds
        waiting = [
            entry.arrived for key in engine._keys.live.values() for entry in key.matcher.held()
        ]
        assert all(arrived + policy.deadline >= min(read.values()) for arrived in waiting)
    assert not engine.fates[Fate.PENDING]
    assert set(used.values()) <= {1}
    assert engine.fates[Fate.MATCHED] == len(used)


TIMES = st.lists(st.integers(0, 40), max_size=9, unique=True).map(sorted)


@given(st.lists(TIMES, min_size=2, max_size=4), st.sampled_from([INF, 0, 2, 5, 12]), st.data())
@settings(max_examples=share(2))
def test_a_deadline_that_is_never_reached_changes_nothing(
    streams: Sequence[Sequence[int]], interval: float, data: st.DataObject
) -> None:
    policy = Approximate(max_interval=interval, deadline=1000)
    names = "abcd"[: len(streams)]
    events = [(time, name) for name, times in zip(names, streams, strict=True) for time in times]
    aligner = Aligner(policy, dict.fromkeys(names, StreamSpec(lateness="inf")))
    sets = []
    for log_time, (time, name) in enumerate(data.draw(st.permutations(events))):
        sets += aligner.add(Event(name, "k", time, arrived=log_time))
    sets += aligner.close()
    times = [tuple(part[0].time for part in one.members.values()) for one in sets]
    assert times == approximate_sets(streams, interval, 0.1)


# -- by hand ------------------------------------------------------------------------------------

THREE = {"a": Spec(), "b": Spec(), "c": Spec()}


def add(stream: str, time: int, arrived: int | None = None) -> Add:
    return Add(stream, "k", time, time if arrived is None else arrived, f"{stream}{time}")


def played(policy: Approximate, *calls: Call) -> tuple[list[list[str]], list[Found], Counter[str]]:
    engine = Aligner(policy, {name: StreamSpec(**vars(spec)) for name, spec in THREE.items()})
    steps = [[found(one) for one in make(engine, call)] for call in calls]
    fates = Counter({str(fate): n for fate, n in engine.fates.items()})
    sets = [one for step in steps for one in step]
    return [[one.ids for one in step] for step in steps], sets, fates


DEAD = [add("a", 0), add("b", 1), add("a", 10), add("b", 11), Progress("c", 11), Progress("a", 11)]


def test_a_dead_stream_holds_nothing_up_beyond_the_deadline() -> None:
    policy = Approximate(max_interval=5, deadline=8, require="any")
    steps, sets, _ = played(policy, *DEAD)
    assert steps[:4] == [[], [], [], []]
    assert [one.ids for one in sets] == ["a0 b1"]
    assert sets[0].absent == {("c", "timeout")}
    assert "c" in sets[0].unsettled


@pytest.mark.parametrize(("require", "fates"), [("all", {"unmatched": 2}), ("any", {"matched": 2})])
def test_a_set_that_lacks_a_required_stream_is_not_emitted(require: Any, fates: Any) -> None:
    policy = Approximate(max_interval=5, deadline=8, require=require)
    _, _, counted = played(policy, *DEAD)
    assert counted == {**fates, "pending": 2}


def test_a_stream_that_is_proven_to_have_nothing_is_absent_for_that() -> None:
    policy = Approximate(max_interval=5, deadline=8, require="any")
    calls = [
        add("a", 0),
        add("b", 1),
        add("c", 8),
        Progress("c", 9),
        Progress("a", 9),
        Progress("b", 9),
    ]
    _, (one,), _ = played(policy, *calls)
    assert one.absent == {("c", "proven")}


def test_what_was_logged_after_the_deadline_is_for_the_next_set() -> None:
    policy = Approximate(max_interval=5, deadline=3, require="any")
    calls = [add("a", 0), add("b", 0), add("c", 1, 4), Progress("a", 4), Progress("b", 4)]
    steps, _, fates = played(policy, *calls, Close())
    assert steps == [[], [], [], [], ["a0 b0"], ["c1"]]
    assert fates == {"matched": 3}


def test_what_is_behind_a_set_that_came_out_is_late() -> None:
    policy = Approximate(deadline=3, require="any")
    streams = {"a": StreamSpec(lateness=9), "b": StreamSpec()}
    engine = Aligner(policy, streams)
    engine.add(Event("a", "k", 5, arrived=5))
    assert not engine.progress("b", 9)
    assert [one.time for one in engine.progress("a", 9)] == [5]
    engine.add(Event("a", "k", 4, arrived=9))
    assert engine.fates == {Fate.MATCHED: 1, Fate.LATE: 1}


@given(data=st.data())
@settings(max_examples=share(2))
def test_no_two_sets_have_the_same_id(data: st.DataObject) -> None:
    policy, case = data.draw(approximates())
    engine = engine_of(policy, case)
    ids = [one.id for call in [*case.calls, Close()] for one in make(engine, call)]
    assert len(ids) == len(set(ids))


def test_sets_that_lack_streams_may_end_at_the_same_time() -> None:
    engine = Aligner(
        Approximate(max_interval=5, deadline=3, require="any"),
        dict.fromkeys("ab", StreamSpec(lateness=20)),
    )
    engine.add(Event("a", "k", 5, arrived=5))
    engine.add(Event("b", "k", 5, arrived=20))
    sets = [*engine.progress("a", 40), *engine.progress("b", 40)]
    assert [(one.time, list(one.members)) for one in sets] == [(5, ["a"]), (5, ["b"])]
    assert len({one.id for one in sets}) == 2


@pytest.mark.parametrize("first", ["a", "b"])
def test_what_was_seen_by_a_deadline_is_known_until_all_streams_have_passed_it(first: str) -> None:
    """Time 207 of `a` is taken, so nothing older than 208 can come: the set is proven, however far
    `a` has been read meanwhile."""
    streams = {
        "a": StreamSpec(lateness=2, max_delay=12, max_future=0, max_duration=0),
        "b": StreamSpec(lateness=5, max_delay=3, max_future=0, max_duration=0),
    }
    engine = Aligner(Approximate(max_interval=0, deadline=4), streams)
    ahead = [206, 207, 208, *range(250, 300)]
    steps = {
        "a": lambda: [one for at in ahead for one in engine.add(Event("a", "k", at, arrived=at))],
        "b": lambda: [
            *engine.add(Event("b", "k", 208, arrived=209)),
            *engine.progress("b", 280),
        ],
    }
    sets = [one for name in sorted(steps, key=lambda it: it != first) for one in steps[name]()]
    assert [(one.time, one.unsettled) for one in sets] == [(208, frozenset())]
