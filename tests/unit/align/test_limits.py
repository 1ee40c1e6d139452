"""Memory limits: what is evicted, in which order, and what becomes of the sets.

While nothing is evicted a limit changes nothing; the first property holds that, too.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from alignment_calls import Add, Close, Found
from alignment_runs import aligner, found, make
from alignment_strategies import KINDS, cases, share
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.align import Aligner, Approximate, Exact, Nearest, Policy, StreamSpec, Window
from sensorium.errors import AlignmentError
from sensorium.events import Event, Fate

TWO = {"a": StreamSpec(), "b": StreamSpec()}


def event(stream: str, time: int, key: str = "k", value: object = None) -> Event:
    return Event(stream, key, time, value, arrived=time)


# -- the properties -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=share(2 * len(KINDS)))
def test_limits_hold_after_every_call_and_fates_add_up(kind: str, data: st.DataObject) -> None:
    case = data.draw(cases(kind, calls=24, ties=True))
    most = data.draw(st.integers(1, 6))
    keys = data.draw(st.sampled_from([1, 2, None]))
    engine = aligner(case.rule, case.specs, max_pending_events=most, max_keys=keys)
    adds = 0
    for call in [*case.calls, Close()]:
        before = Counter({f: n for f, n in engine.fates.items() if f is not Fate.PENDING})
        make(engine, call)
        adds += isinstance(call, Add)
        assert engine.fates.total() == adds
        assert engine.fates[Fate.PENDING] <= most
        assert engine.keys <= (keys or adds + 9)
        assert all(engine.fates[fate] >= count for fate, count in before.items())
    assert engine.fates[Fate.PENDING] == 0


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=share(2 * len(KINDS)))
def test_a_set_comes_out_as_it_would_without_a_limit_or_not_at_all(
    kind: str, data: st.DataObject
) -> None:
    case = data.draw(cases(kind, calls=24))
    most = data.draw(st.sampled_from([1, 2, 3, 5, 8, 100]))
    limited = aligner(case.rule, case.specs, max_pending_events=most)
    free = aligner(case.rule, case.specs)
    sets: Counter[Found] = Counter()
    whole: Counter[Found] = Counter()
    for call in [*case.calls, Close()]:
        sets.update(found(one) for one in make(limited, call))
        whole.update(found(one) for one in make(free, call))
    assert sets <= whole
    if most == 100:
        assert (sets, limited.fates) == (whole, free.fates)


# -- what goes first ----------------------------------------------------------------------------


def test_the_sets_of_what_has_been_pending_longest_are_given_up() -> None:
    one = Aligner(Exact(), TWO, max_pending_events=2)
    for time in (1, 2, 3):
        one.add(event("a", time))
    assert one.fates == {Fate.PENDING: 2, Fate.EVICTED: 1}
    assert one.given_up == 1
    assert one.add(event("b", 1)) == []
    (aligned,) = one.add(event("b", 2))
    assert aligned.time == 2
    assert one.fates == {Fate.MATCHED: 2, Fate.EVICTED: 2, Fate.PENDING: 1}


def test_what_comes_for_a_window_that_was_given_up_is_evicted() -> None:
    streams = {"a": StreamSpec(lateness=20), "b": StreamSpec(lateness=20)}
    one = Aligner(Window(size=10, require="any"), streams, max_pending_events=2)
    for time in (1, 11, 12):
        one.add(event("a", time))
    assert one.fates == {Fate.EVICTED: 1, Fate.PENDING: 2}
    one.add(Event("b", "k", 5, arrived=12))
    assert one.fates[Fate.EVICTED] == 2
    assert [(it.time, sorted(it.members)) for it in one.close()] == [(10, ["a"])]


def test_a_member_of_an_emitted_set_stays_matched_when_another_is_given_up() -> None:
    one = Aligner(Window(size=10, hop=5), {"a": StreamSpec()}, max_pending_events=1)
    one.add(event("a", 9))  # in [0, 10) and [5, 15)
    assert [it.time for it in one.add(event("a", 12))] == [0]
    # [5, 15) is given up with it; 12 has another window. No fate shows it.
    assert one.fates == {Fate.MATCHED: 1, Fate.PENDING: 1}
    assert one.given_up == 1
    assert [it.time for it in one.close()] == [10]


def test_a_session_that_outgrows_the_limit_is_given_up_whole() -> None:
    streams = {"a": StreamSpec(lateness=20)}
    one = Aligner(Window(gap=3, max_length=1000), streams, max_pending_events=2)
    for time in (1, 2, 3, 4, 8, 6, 12):
        one.add(Event("a", "k", time, arrived=10))
    # 4 goes on with what was given up, and 6, which comes late, joins 8 to it; 12 does not.
    assert one.fates == {Fate.EVICTED: 6, Fate.PENDING: 1}
    assert one.given_up == 2
    assert [it.time for it in one.close()] == [12]


def test_a_primary_whose_candidate_was_given_up_goes_with_it() -> None:
    policy = Nearest(primary="a", before=5, after=5, require="any")
    streams = {"a": StreamSpec(lateness=20), "b": StreamSpec(lateness=20)}
    one = Aligner(policy, streams, max_pending_events=1)
    one.add(event("b", 10))
    one.add(event("b", 30))
    for time in (14, 15, 16, 36):
        one.add(Event("a", "k", time, arrived=30))
    # The candidate of 10 may have been that of 14 and 15, the one of 30 is far from 16 and 36.
    assert one.fates[Fate.EVICTED] >= 3
    assert all(it.members.keys() == {"a"} for it in one.close())


def test_a_key_that_was_heard_of_longest_ago_is_forgotten_first() -> None:
    one = Aligner(Exact(), TWO, max_keys=2)
    for key in ("k", "l", "k", "m"):
        one.add(event("a", {"k": 1, "l": 1, "m": 2}[key] + one.fates.total(), key))
    assert one.keys == 2
    assert one.fates == {Fate.PENDING: 3, Fate.EVICTED: 1}
    assert one.given_up == 1
    one.add(event("b", 3, "k"))
    assert one.fates[Fate.MATCHED] == 2


def test_the_order_is_the_same_in_every_run() -> None:
    def run() -> list[str]:
        one = Aligner(Exact(require="any"), TWO, max_pending_events=5, max_keys=3)
        random = np.random.default_rng(5)
        sets = []
        for time in range(300):
            stream, key = "ab"[random.integers(2)], "klmnop"[random.integers(6)]
            sets += one.add(event(stream, time // 3, key))
        return [it.id for it in sets]

    assert run() == run()
    assert run()


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_bytes_are_those_of_the_values(size: int) -> None:
    one = Aligner(Exact(), TWO, max_pending_bytes=10_000)
    for time in range(40):
        one.add(event("a", time, value=np.zeros(size, np.uint8)))
    assert one.fates[Fate.PENDING] == 10_000 // (512 + size)


def test_an_event_that_is_larger_than_the_limit_is_evicted_itself() -> None:
    one = Aligner(Exact(), TWO, max_pending_bytes=10_000)
    one.add(event("a", 1, value={"pixels": [np.zeros(10_000)]}))
    assert one.fates == {Fate.EVICTED: 1}


@pytest.mark.parametrize(
    "policy",
    [
        Exact(),
        Nearest(primary="a", before=3, after=3),
        Approximate(),
        Window(size=4, hop=2),
        Window(gap=2, max_length=50),
    ],
    ids=lambda policy: policy.name,
)
def test_keys_that_come_and_go_leave_nothing_behind(policy: Policy) -> None:
    streams = dict.fromkeys("ab", StreamSpec(max_delay=10**6, max_future=10, max_duration=10))
    one = Aligner(policy, streams, max_keys=10)
    for time in range(3000):
        one.add(event("a", time, key=f"k{time % 30}"))
    assert one.keys == 10
    assert one.fates.total() == 3000
    heaps = [heap for it in one._streams for heap in (it.wake_by_bound, it.wake_by_log_time)]
    assert all(len(heap) < 200 for heap in [one._keys._forgetting, *heaps])
    restored = Aligner.restore(one.snapshot())
    assert restored.close() == one.close()
    assert restored.fates == one.fates


@pytest.mark.parametrize("name", ["max_pending_events", "max_pending_bytes", "max_keys"])
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(AlignmentError, match=f"{name} is 0; it has to be at least 1"):
        Aligner(Exact(), TWO, **{name: 0})
