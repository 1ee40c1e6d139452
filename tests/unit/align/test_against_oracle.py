"""The engine against the brute-force oracle, call by call.

`make soak` (``SENSORIUM_SOAK=1``) runs the same with 20,000 examples.
"""

from __future__ import annotations

import pytest
from alignment_calls import Add, Close, Found
from alignment_oracle import outcome
from alignment_runs import aligner, found, make
from alignment_strategies import KINDS, Case, cases, share
from hypothesis import given, settings, target
from hypothesis import strategies as st


def hold_against_oracle(case: Case) -> None:
    engine = aligner(case.rule, case.specs)
    calls = [*case.calls, Close()]
    seen: set[Found] = set()
    ids: set[str] = set()
    adds = 0
    for number, call in enumerate(calls):
        sets = make(engine, call)
        now = outcome(case.rule, case.specs, calls[: number + 1])
        adds += isinstance(call, Add)
        assert {found(aligned) for aligned in sets} == now.emitted - seen, call
        order = [(aligned.time, aligned.key, aligned.revision) for aligned in sets]
        assert order == sorted(order)
        for aligned in sets:
            for events in aligned.members.values():
                times = [event.time for event in events]
                assert times == sorted(times)
                assert times
        assert ids.isdisjoint(aligned.id for aligned in sets)
        ids |= {aligned.id for aligned in sets}
        assert sum(engine.fates.values()) == adds
        seen = now.emitted
    fates = {str(fate): count for fate, count in engine.fates.items() if count}
    assert fates == dict(now.fates)
    assert "pending" not in fates
    target(len(seen))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=share(len(KINDS)))
def test_the_engine_gives_what_the_oracle_gives_after_every_call(
    kind: str, data: st.DataObject
) -> None:
    hold_against_oracle(data.draw(cases(kind)))
