"""Deadlines: what comes out unsettled, what is late then, and what each set waits for.

Every example runs through the oracle and through the engine.
"""

from __future__ import annotations

import pytest
from alignment_calls import (
    INF,
    Call,
    Close,
    ExactRule,
    NearestRule,
    Progress,
    Reach,
    SessionRule,
    Spec,
    WindowRule,
)
from alignment_play import Play, at, ids, old, steps

TWO = {"a": Spec(), "b": Spec()}


def test_a_deadline_passes_when_the_log_time_is_strictly_greater(play: Play) -> None:
    rule = ExactRule(require="any", deadline=4)
    played = play(rule, TWO, [at("a", 5), Progress("b", 9), Progress("b", 10)])
    assert steps(played) == [[], [], ["a5"], []]
    assert played.sets[0].absent == {("b", "timeout")}
    assert played.sets[0].unsettled == {"b"}


def test_an_event_that_missed_the_deadline_of_its_only_set_is_late(play: Play) -> None:
    rule = ExactRule(require="any", deadline=4)
    played = play(rule, TWO, [at("a", 5), old("b", 5, 10)])
    assert steps(played) == [[], ["a5"], []]
    assert played.fates == {"matched": 1, "late": 1}


def test_what_had_arrived_by_the_deadline_is_a_member_though_it_is_read_later(play: Play) -> None:
    rule = ExactRule(require="any", deadline=4)
    played = play(rule, TWO, [at("a", 5), Progress("a", 50), old("b", 5, 9)])
    assert steps(played) == [[], [], ["a5 b5"], []]
    assert not played.sets[0].unsettled


def test_the_deadline_of_nearest_counts_from_the_log_time_of_the_primary(play: Play) -> None:
    rule = NearestRule("a", Reach(5, 5), require="any", deadline=4)
    calls: list[Call] = [old("a", 10, 20), old("b", 8, 20), Progress("b", 24), Progress("b", 25)]
    played = play(rule, TWO, calls)
    assert steps(played) == [[], [], [], ["a10 b8"], []]
    assert played.sets[0].unsettled == {"b"}
    assert not played.sets[0].absent


def test_an_event_that_missed_one_set_may_serve_another(play: Play) -> None:
    rule = NearestRule("a", Reach(5, 5), require="any", deadline=2)
    calls: list[Call] = [at("a", 10), at("a", 14), old("b", 12, 15), Close("b")]
    played = play(rule, TWO, calls)
    assert ids(played) == ["a10", "a14 b12"]
    assert played.fates == {"matched": 3}


def test_a_settled_stream_is_proven_absent_though_the_deadline_passed(play: Play) -> None:
    specs = {"a": Spec(), "b": Spec(max_delay=2)}
    rule = ExactRule(require="any", deadline=4)
    played = play(rule, specs, [at("a", 5), Progress("b", 100)])
    assert played.sets[0].absent == {("b", "proven")}
    assert not played.sets[0].unsettled


def test_the_deadline_of_a_window_counts_from_its_end(play: Play) -> None:
    rule = WindowRule(size=10, hop=10, require="any", deadline=3)
    specs = {"a": Spec(lateness=INF)}
    calls: list[Call] = [at("a", 5), old("a", 7, 13), old("a", 8, 14)]
    played = play(rule, specs, calls)
    assert steps(played) == [[], [], ["a5 a7"], []]
    assert played.sets[0].unsettled == {"a"}
    assert played.fates == {"matched": 2, "late": 1}


def test_an_event_after_the_deadline_of_its_only_window_opens_none(play: Play) -> None:
    rule = WindowRule(size=10, hop=10, require="any", deadline=3)
    played = play(rule, {"a": Spec()}, [old("a", 5, 14)])
    assert played.sets == []
    assert played.fates == {"late": 1}


def test_an_event_in_reach_of_a_session_that_was_due_is_late(play: Play) -> None:
    rule = SessionRule(gap=3, max_length=100, require="any", deadline=2)
    specs = {"a": Spec(lateness=INF)}
    # The session of a5 is due at 5 + 3 + 2 = 10.
    played = play(rule, specs, [at("a", 5), old("a", 6, 11)])
    assert steps(played) == [[], ["a5"], []]
    assert played.fates == {"matched": 1, "late": 1}


def test_an_event_that_comes_in_time_puts_the_deadline_of_a_session_off(play: Play) -> None:
    rule = SessionRule(gap=3, max_length=100, require="any", deadline=2)
    specs = {"a": Spec(lateness=INF)}
    played = play(rule, specs, [at("a", 5), at("a", 8), old("a", 6, 11)])
    assert ids(played) == ["a5 a6 a8"]


def test_the_deadline_of_a_session_counts_from_the_end_of_its_cell_if_that_is_sooner(
    play: Play,
) -> None:
    rule = SessionRule(gap=30, max_length=10, require="any", deadline=2)
    specs = {"a": Spec(lateness=INF)}
    played = play(rule, specs, [at("a", 5), old("a", 6, 12), old("a", 7, 13)])
    assert steps(played) == [[], [], ["a5 a6"], []]
    assert played.fates == {"matched": 2, "late": 1}


def test_an_event_that_missed_a_session_joins_no_later_one(play: Play) -> None:
    rule = SessionRule(gap=3, max_length=8, require="any", deadline=0)
    # The session of a1 is due at 4, before a4 is logged; a4 is in reach of a6, too.
    played = play(rule, {"a": Spec()}, [old("a", 1, 3), old("a", 4, 5), old("a", 6, 7)])
    assert ids(played) == ["a1", "a6"]
    assert played.fates == {"matched": 2, "late": 1}


@pytest.mark.parametrize("read_first", ["a", "b"])
def test_a_late_session_event_is_late_in_whatever_order_the_streams_are_read(
    play: Play, read_first: str
) -> None:
    rule = SessionRule(gap=4, max_length=16, deadline=0, require="any")
    logs = {
        "a": [old("a", 24, 26)],
        "b": [old("b", 6, 5), old("b", 10, 13, 2), old("b", 13, 15, 3)],
    }
    second = "b" if read_first == "a" else "a"
    played = play(rule, TWO, [*logs[read_first], *logs[second]])
    assert sorted(ids(played)) == ["a24", "b13", "b6"]
    assert played.fates == {"matched": 3, "late": 1}


def test_an_event_that_would_begin_a_session_already_due_is_late(play: Play) -> None:
    rule = SessionRule(gap=3, max_length=100, require="any", deadline=2)
    played = play(rule, {"a": Spec()}, [old("a", 5, 11)])
    assert played.sets == []
    assert played.fates == {"late": 1}


# -- several sets of one key wait for different things -------------------------------------------


def test_a_set_in_the_middle_comes_out_first_and_the_newest_when_its_stream_is_closed(
    play: Play,
) -> None:
    specs = {"a": Spec(max_delay=4), "b": Spec()}
    rule = ExactRule(require=("b",), deadline=4)
    calls: list[Call] = [old("b", 1, 1), old("b", 6, 4), old("b", 8, 7), at("a", 6), Close("a")]
    assert steps(play(rule, specs, calls)) == [[], [], [], ["b1", "a6 b6"], ["b8"], []]


def test_the_second_of_two_primaries_is_woken_by_its_own_deadline(play: Play) -> None:
    rule = NearestRule("b", Reach(3, 4, "last"), require="any", deadline=0)
    calls: list[Call] = [at("b", 0), at("b", 5), at("a", 4), Progress("a", 7)]
    assert steps(play(rule, TWO, calls)) == [[], [], ["b0"], ["a4 b5"], []]
