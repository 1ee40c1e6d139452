"""Events that are added together give what they give one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from alignment_calls import INF, Add, Close, ExactRule, Spec
from alignment_runs import aligner, event_of, make
from alignment_strategies import KINDS, Case, cases, share
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.align import Aligner, Approximate, StreamSpec
from sensorium.errors import AlignmentError
from sensorium.events import AlignedSet, Event

LIMITS: list[dict[str, Any]] = [
    {},
    {"max_pending_events": 3},
    {"max_keys": 1},
    {"max_pending_events": 2, "max_keys": 1},
]


def outcome(sets: Sequence[AlignedSet]) -> Counter[str]:
    return Counter(repr(one) for one in sets)


def hold_together(case: Case, single: Aligner, together: Aligner, sizes: Sequence[int]) -> None:
    batch: list[Add] = []
    expected: list[AlignedSet] = []
    left = list(sizes)

    def hand_over() -> None:
        sets = together.add_all([event_of(call) for call in batch])
        assert outcome(sets) == outcome(expected)
        places = [(one.time, one.key, one.revision) for one in sets]
        assert places == sorted(places)
        assert together.fates == single.fates
        assert together.keys == single.keys
        batch.clear()
        expected.clear()

    for call in [*case.calls, Close()]:
        if isinstance(call, Add):
            batch.append(call)
            expected += make(single, call)
            if left and len(batch) >= left[0]:
                left.pop(0)
                hand_over()
        else:
            hand_over()
            assert outcome(make(together, call)) == outcome(make(single, call))
    assert together.fates == single.fates


SIZES = st.lists(st.integers(1, 12), max_size=12)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=share(len(KINDS)))
def test_a_batch_gives_the_sets_and_fates_of_its_events(kind: str, data: st.DataObject) -> None:
    case = data.draw(cases(kind, calls=24, ties=True))
    limits = data.draw(st.sampled_from(LIMITS))
    engines = [aligner(case.rule, case.specs, **limits) for _ in range(2)]
    hold_together(case, engines[0], engines[1], data.draw(SIZES))


@given(data=st.data())
@settings(max_examples=share(4))
def test_so_does_approximate_whose_queues_may_be_full(data: st.DataObject) -> None:
    case = data.draw(cases("exact", calls=24))
    deadline = data.draw(st.sampled_from([INF, 3]))
    policy = Approximate(queue_size=data.draw(st.integers(1, 3)), deadline=deadline)
    specs = {name: StreamSpec(**vars(spec)) for name, spec in case.specs.items()}
    engines = [Aligner(policy, specs, pipeline="p") for _ in range(2)]
    hold_together(case, engines[0], engines[1], data.draw(SIZES))


def test_where_one_event_is_refused_none_is_taken() -> None:
    engine = aligner(ExactRule(), {"a": Spec()})
    events = [Event("a", "k", 1, arrived=1), Event("gps", "k", 1, arrived=1)]
    with pytest.raises(AlignmentError, match="there is no stream 'gps'; there are \\['a'\\]"):
        engine.add_all(events)
    assert engine.fates.total() == 0
