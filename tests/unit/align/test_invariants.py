"""The six invariants of the design, each as a property of the engine alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pytest
from alignment_calls import (
    INF,
    Add,
    Advance,
    Call,
    Close,
    Found,
    Heartbeat,
    NearestRule,
    Progress,
    Reach,
    Rule,
    Spec,
)
from alignment_runs import aligner, found, make
from alignment_strategies import KINDS, cases, merge, share
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sensorium.align import Aligner


def fates_of(engine: Aligner) -> dict[str, int]:
    return {str(fate): count for fate, count in engine.fates.items() if count}


def run(
    rule: Rule, specs: Mapping[str, Spec], calls: Sequence[Call]
) -> tuple[Counter[Found], dict[str, int]]:
    """All sets and all fates, once everything is closed."""
    engine = aligner(rule, specs)
    sets: Counter[Found] = Counter()
    for call in [*calls, Close()]:
        sets.update(found(aligned) for aligned in make(engine, call))
    return sets, fates_of(engine)


def interleavings(left: Mapping[str, int]) -> Iterator[list[str]]:
    """All orders of so many turns of each stream."""
    if not any(left.values()):
        yield []
    for stream, count in left.items():
        if count:
            for rest in interleavings({**left, stream: count - 1}):
                yield [stream, *rest]


# -- 1. arrival order does not matter -----------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=share(len(KINDS)))
def test_the_interleaving_of_streams_does_not_matter(kind: str, data: st.DataObject) -> None:
    case = data.draw(cases(kind))
    shuffled = merge(case.logs, data.draw(st.permutations(case.turns)))
    assert run(case.rule, case.specs, shuffled) == run(case.rule, case.specs, case.calls)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=share(2 * len(KINDS)))
def test_equal_log_times_in_different_streams_do_not_matter(kind: str, data: st.DataObject) -> None:
    case = data.draw(cases(kind, ties=True))
    shuffled = merge(case.logs, data.draw(st.permutations(case.turns)))
    assert run(case.rule, case.specs, shuffled) == run(case.rule, case.specs, case.calls)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=share(8 * len(KINDS)))
def test_every_interleaving_of_a_few_calls_gives_the_same(kind: str, data: st.DataObject) -> None:
    case = data.draw(cases(kind, calls=6))
    expected = run(case.rule, case.specs, case.calls)
    for turns in interleavings({stream: len(log) for stream, log in case.logs.items()}):
        assert run(case.rule, case.specs, merge(case.logs, turns)) == expected


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=share(2 * len(KINDS)))
def test_the_order_of_keys_within_a_stream_does_not_matter_without_limits_in_log_time(
    kind: str, data: st.DataObject
) -> None:
    case = data.draw(cases(kind, wild=False, explicit=False))
    logs = {}
    for stream, log in case.logs.items():
        by_key: dict[str, list[Call]] = {}
        for call in log:
            assert isinstance(call, Add)
            by_key.setdefault(call.key, []).append(call)
        turns = data.draw(st.permutations([call.key for call in log if isinstance(call, Add)]))
        logs[stream] = merge(by_key, turns)
    shuffled = merge(logs, case.turns)
    assert run(case.rule, case.specs, shuffled) == run(case.rule, case.specs, case.calls)


# -- 2. nothing is lost or counted twice --------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=share(len(KINDS)))
def test_fates_add_up_after_every_call(kind: str, data: st.DataObject) -> None:
    case = data.draw(cases(kind, calls=30, ties=True))
    engine = aligner(case.rule, case.specs)
    adds = 0
    matched: set[tuple[str, int, str]] = set()
    for call in [*case.calls, Close()]:
        before = Counter({f: n for f, n in engine.fates.items() if str(f) != "pending"})
        for aligned in make(engine, call):
            matched |= {(aligned.key, m[1], m[2]) for m in found(aligned).members}
        adds += isinstance(call, Add)
        assert sum(engine.fates.values()) == adds
        assert all(count >= 0 for count in engine.fates.values())
        assert all(engine.fates[fate] >= count for fate, count in before.items())
    assert fates_of(engine).get("pending", 0) == 0
    assert fates_of(engine).get("matched", 0) == len(matched)


# -- 3. keys are independent --------------------------------------------------------------------


def alone(key: str, call: Call) -> Call | None:
    """What a call is to one key only: for another key's records, the progress that they make."""
    if isinstance(call, Add | Heartbeat) and call.key not in (None, key):
        return Progress(call.stream, call.arrived)
    if isinstance(call, Advance) and call.key not in (None, key):
        return None
    return call


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=share(len(KINDS)))
def test_each_key_alone_gives_its_own_sets_at_the_same_calls(
    kind: str, data: st.DataObject
) -> None:
    case = data.draw(cases(kind))
    together = aligner(case.rule, case.specs)
    single = {key: aligner(case.rule, case.specs) for key in ("k", "m")}
    for call in [*case.calls, Close()]:
        sets = [found(aligned) for aligned in make(together, call)]
        for key, engine in single.items():
            own = alone(key, call)
            given_alone = [] if own is None else [found(a) for a in make(engine, own)]
            assert given_alone == [one for one in sets if one.key == key]
    summed = Counter(fates_of(single["k"])) + Counter(fates_of(single["m"]))
    assert fates_of(together) == dict(summed)


# -- 5. resumable -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=share(len(KINDS)))
def test_a_snapshot_after_every_call_continues_as_if_nothing_had_happened(
    kind: str, data: st.DataObject
) -> None:
    case = data.draw(cases(kind))
    calls = [*case.calls, Close()]
    straight = aligner(case.rule, case.specs)
    chained = aligner(case.rule, case.specs)
    snapshots = []
    expected = []
    for call in calls:
        chained = Aligner.restore(chained.snapshot())
        snapshots.append(straight.snapshot())
        expected.append(make(straight, call))
        assert make(chained, call) == expected[-1]
        assert fates_of(chained) == fates_of(straight)
    for number, snapshot in enumerate(snapshots):
        later = Aligner.restore(snapshot)
        assert [make(later, call) for call in calls[number:]] == expected[number:]
        assert fates_of(later) == fates_of(straight)


# -- 6. a bad clock does bounded harm -----------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=share(len(KINDS)))
def test_an_event_too_far_in_the_future_changes_nothing_but_its_own_fate(
    kind: str, data: st.DataObject
) -> None:
    case = data.draw(cases(kind))
    stream = data.draw(st.sampled_from(sorted(case.specs)))
    spec = case.specs[stream]
    assume(spec.max_future < INF)
    log = list(case.logs[stream])
    place = data.draw(st.integers(0, len(log)))
    arrived = log_time(log[:place])
    assume(arrived is not None)
    assert arrived is not None
    bad = Add(stream, "k", arrived + int(spec.max_future) - spec.offset + 1, arrived, "bad")
    turns = [*case.turns]
    at = [i for i, turn in enumerate(turns) if turn == stream]
    turn = at[place] if place < len(at) else len(turns)
    turns.insert(turn, stream)
    with_bad = merge({**case.logs, stream: [*log[:place], bad, *log[place:]]}, turns)
    sets, fates = run(case.rule, case.specs, with_bad)
    other_sets, other_fates = run(case.rule, case.specs, case.calls)
    assert sets == other_sets
    assert fates == dict(Counter(other_fates) + Counter(["invalid"]))


def log_time(log: Sequence[Call]) -> int | None:
    times = [
        call.log_time if isinstance(call, Progress) else call.arrived
        for call in log
        if isinstance(call, Progress | Add | Heartbeat)
    ]
    return max(times, default=None)


@given(ahead=st.integers(0, 8), lateness=st.integers(0, 3), start=st.integers(-5, 5))
@settings(max_examples=share(4))
def test_an_accepted_event_ahead_of_its_time_makes_late_for_max_future_at_most(
    ahead: int, lateness: int, start: int
) -> None:
    specs = {"a": Spec(lateness=lateness, max_future=8)}
    rule = NearestRule("a", Reach(), require="any")
    calls: list[Call] = [Add("a", "k", start + ahead, start, "bad")]
    calls += [Add("a", "k", start + n, start + n, f"good{n}") for n in range(1, 20)]
    calls += [Add("a", "m", start + n, start + n, f"other{n}") for n in range(1, 20)]
    engine = aligner(rule, specs)
    members = set()
    for call in sorted(calls, key=lambda c: c.arrived if isinstance(c, Add) else 0):
        for aligned in make(engine, call):
            members |= {member[2] for member in found(aligned).members}
    for aligned in make(engine, Close()):
        members |= {member[2] for member in found(aligned).members}
    lost = {f"good{n}" for n in range(1, 20)} - members
    # One at the very time of the bad one is its duplicate; the older ones are late.
    assert lost == {f"good{n}" for n in range(1, 20) if n < ahead - lateness or n == ahead}
    assert {f"other{n}" for n in range(1, 20)} <= members
