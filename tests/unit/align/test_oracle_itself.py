"""The oracle holds to what the rules imply; else it could not judge the engine."""

from __future__ import annotations

import pytest
from alignment_calls import INF, Add, Close, Found, SessionRule, Spec
from alignment_oracle import cell_of, outcome
from alignment_strategies import KINDS, Case, cases, merge, share
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=share(10))
def test_what_was_emitted_never_changes(kind: str, data: st.DataObject) -> None:
    case = data.draw(cases(kind))
    calls = [*case.calls, Close()]
    seen: set[Found] = set()
    for number in range(len(calls)):
        now = outcome(case.rule, case.specs, calls[: number + 1]).emitted
        assert seen <= now
        seen = now


@given(case=cases("session", wild=False, explicit=False))
@settings(max_examples=share(10))
def test_without_a_deadline_a_session_goes_on_while_the_gap_is_not_exceeded(case: Case) -> None:
    rule = case.rule
    assert isinstance(rule, SessionRule)
    specs = {stream: Spec(lateness=INF) for stream in case.specs}
    rule = SessionRule(rule.gap, rule.max_length, "any", INF)
    calls = case.calls
    expected: set[tuple[int, frozenset[str]]] = set()
    for key in ("k", "m"):
        kept: dict[tuple[str, int, str], Add] = {}
        for call in calls:
            if isinstance(call, Add) and call.key == key:
                kept.setdefault((call.stream, call.time, call.id), call)
        sessions: list[list[Add]] = []
        for event in sorted(kept.values(), key=lambda event: event.time):
            if sessions:
                now = sessions[-1]
                cell = cell_of(rule, now[0].time)
                over = max(e.time + e.duration for e in now) + rule.gap
                if event.time <= over and cell_of(rule, event.time) == cell:
                    now.append(event)
                    continue
            sessions.append([event])
        expected |= {(s[0].time, frozenset(e.id for e in s)) for s in sessions}
    emitted = outcome(rule, specs, [*calls, Close()]).emitted
    assert {(f.time, frozenset(m[2] for m in f.members)) for f in emitted} == expected


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=share(10))
def test_the_rules_themselves_do_not_depend_on_the_interleaving(
    kind: str, data: st.DataObject
) -> None:
    case = data.draw(cases(kind))
    shuffled = merge(case.logs, data.draw(st.permutations(case.turns)))
    one = outcome(case.rule, case.specs, [*case.calls, Close()])
    other = outcome(case.rule, case.specs, [*shuffled, Close()])
    assert (one.emitted, one.fates) == (other.emitted, other.fates)
