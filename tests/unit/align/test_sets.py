"""What belongs together, and when it comes out; one sentence of the design each.

Every example runs through the oracle and through the engine.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from alignment_calls import (
    INF,
    Advance,
    Call,
    Close,
    ExactRule,
    NearestRule,
    Reach,
    SessionRule,
    Spec,
    WindowRule,
)
from alignment_play import Play, at, ids, old, steps

TWO = {"a": Spec(), "b": Spec()}


# -- exact --------------------------------------------------------------------------------------


def test_exact_joins_events_of_equal_time_as_soon_as_all_are_there(play: Play) -> None:
    played = play(ExactRule(), TWO, [at("a", 5), at("b", 5)])
    assert steps(played) == [[], ["a5 b5"], []]


def test_an_event_later_than_t_proves_that_nothing_came_at_t(play: Play) -> None:
    played = play(ExactRule(require="any"), TWO, [at("a", 5), at("b", 6)])
    assert steps(played) == [[], ["a5"], ["b6"]]
    assert played.sets[0].absent == {("b", "proven")}


def test_a_set_that_lacks_a_required_stream_is_not_emitted(play: Play) -> None:
    played = play(ExactRule(), TWO, [at("a", 5), at("b", 6), at("a", 6)])
    assert ids(played) == ["a6 b6"]
    assert played.fates == {"matched": 2, "unmatched": 1}


@pytest.mark.parametrize(
    ("require", "expected"),
    [("all", []), ("any", ["a1", "b2"]), (("a",), ["a1"]), (("b",), ["b2"])],
)
def test_require_says_which_streams_must_be_there(
    play: Play, require: str | tuple[str, ...], expected: list[str]
) -> None:
    assert ids(play(ExactRule(require=require), TWO, [at("a", 1), at("b", 2)])) == expected


def test_sets_of_one_call_come_in_the_order_of_time_and_key(play: Play) -> None:
    calls: Sequence[Call] = [
        at("a", 7, key="m"),
        at("a", 5, key="n"),
        at("a", 5, key="k"),
        Close("b"),
    ]
    played = play(ExactRule(require="any"), TWO, calls)
    assert [(found.time, found.key) for found in played.steps[3]] == [(5, "k"), (5, "n"), (7, "m")]


def test_lateness_lets_an_older_event_complete_a_set(play: Play) -> None:
    specs = {"a": Spec(), "b": Spec(lateness=2)}
    played = play(ExactRule(), specs, [at("a", 5), at("b", 7), old("b", 5, 7)])
    assert steps(played) == [[], [], ["a5 b5"], []]


# -- nearest ------------------------------------------------------------------------------------


def nearest(before: int, after: int, pick: str = "nearest", require: str = "all") -> NearestRule:
    return NearestRule("a", Reach(before, after, pick), require=require)


@pytest.mark.parametrize("time", [8, 12])
def test_both_ends_of_the_reach_belong_to_it(play: Play, time: int) -> None:
    calls = sorted([at("a", 10), at("b", time)], key=lambda event: event.time)
    assert ids(play(nearest(2, 2), TWO, calls)) == [f"a10 b{time}"]


@pytest.mark.parametrize("time", [7, 13])
def test_beyond_the_reach_nothing_is_taken(play: Play, time: int) -> None:
    calls = sorted([at("a", 10), at("b", time)], key=lambda event: event.time)
    assert ids(play(nearest(2, 2, require="any"), TWO, calls)) == ["a10"]


def test_the_nearer_of_two_is_chosen_and_the_other_is_superseded(play: Play) -> None:
    played = play(nearest(5, 5), TWO, [at("b", 7), at("a", 10), at("b", 12)])
    assert ids(played) == ["a10 b12"]
    assert played.fates == {"matched": 2, "superseded": 1}


def test_a_tie_goes_to_the_later_event(play: Play) -> None:
    played = play(nearest(5, 5), TWO, [at("b", 8), at("a", 10), at("b", 12)])
    assert ids(played) == ["a10 b12"]


def test_a_tie_that_may_still_come_keeps_the_set_open(play: Play) -> None:
    calls: list[Call] = [at("b", 8), at("a", 10), Advance("b", 12), Advance("b", 13)]
    assert steps(play(nearest(5, 5), TWO, calls)) == [[], [], [], ["a10 b8"], []]


def test_an_event_at_exactly_t_settles_its_stream(play: Play) -> None:
    assert steps(play(nearest(5, 5), TWO, [at("a", 10), at("b", 10)])) == [[], ["a10 b10"], []]


def test_an_event_may_serve_several_primaries(play: Play) -> None:
    played = play(nearest(5, 5), TWO, [at("a", 10), at("b", 12), at("a", 14), Close("b")])
    assert ids(played) == ["a10 b12", "a14 b12"]
    assert played.fates == {"matched": 3}


@pytest.mark.parametrize(("pick", "expected"), [("first", "a10 b6"), ("last", "a10 b13")])
def test_pick_first_or_last_in_reach(play: Play, pick: str, expected: str) -> None:
    calls: list[Call] = [at("b", 6), at("b", 9), at("a", 10), at("b", 13)]
    assert ids(play(nearest(5, 5, pick), TWO, calls)) == [expected]


def test_first_settles_with_the_first_in_reach_where_nothing_earlier_can_come(play: Play) -> None:
    assert steps(play(nearest(5, 5, "first"), TWO, [at("a", 10), at("b", 6)]))[1] == ["a10 b6"]


def test_last_settles_when_the_reach_is_over(play: Play) -> None:
    calls: list[Call] = [at("a", 10), at("b", 14), at("b", 15)]
    assert steps(play(nearest(5, 5, "last"), TWO, calls)) == [[], [], ["a10 b15"], []]


def test_nearest_measures_to_the_nearest_instant_covered(play: Play) -> None:
    # [2, 9) covers 8, two away; 13 is three away.
    calls: list[Call] = [at("b", 2, duration=7), at("a", 10), at("b", 13)]
    assert ids(play(nearest(3, 3), TWO, calls)) == ["a10 b2"]


def test_the_end_of_an_event_is_not_covered(play: Play) -> None:
    calls: list[Call] = [at("b", 2, duration=7), at("a", 10)]
    assert ids(play(nearest(1, 3, require="any"), TWO, calls)) == ["a10"]


def test_a_long_event_that_may_still_come_keeps_the_set_open(play: Play) -> None:
    specs = {"a": Spec(), "b": Spec(lateness=4, max_duration=6)}
    calls: list[Call] = [at("a", 10), at("b", 9), at("b", 12), at("b", 16)]
    # 12 - 4 = 8: an event at 8 of six instants would cover 10. From 16 - 4 = 12 on, none is near.
    assert steps(play(nearest(2, 2), specs, calls)) == [[], [], [], ["a10 b9"], []]


def test_a_stream_may_have_its_own_reach_and_pick(play: Play) -> None:
    rule = NearestRule("a", Reach(1, 1), {"c": Reach(9, 0, "first")})
    specs = {**TWO, "c": Spec()}
    calls: list[Call] = [at("c", 2), at("c", 8), at("a", 10), at("b", 11), at("c", 11)]
    assert ids(play(rule, specs, calls)) == ["a10 b11 c2"]


def test_nearest_with_any_emits_a_lone_primary(play: Play) -> None:
    played = play(nearest(1, 1, require="any"), TWO, [at("a", 10), Close("b")])
    assert steps(played) == [[], ["a10"], []]
    assert played.sets[0].absent == {("b", "proven")}


def test_an_event_without_a_primary_is_unmatched(play: Play) -> None:
    assert play(nearest(1, 1), TWO, [at("b", 10)]).fates == {"unmatched": 1}


# -- window -------------------------------------------------------------------------------------


def test_a_window_holds_its_start_and_not_its_end(play: Play) -> None:
    rule = WindowRule(size=10, hop=10, require="any")
    played = play(rule, {"a": Spec()}, [at("a", 10), at("a", 19), at("a", 20)])
    assert [(found.time, found.ids) for found in played.sets] == [(10, "a10 a19"), (20, "a20")]


def test_a_window_settles_when_all_streams_have_passed_its_end(play: Play) -> None:
    rule = WindowRule(size=10, hop=10, require="any")
    played = play(rule, TWO, [at("a", 5), at("a", 10), at("b", 9), at("b", 10)])
    assert steps(played) == [[], [], [], ["a5 b9"], ["a10 b10"]]


def test_a_hopping_window_takes_an_event_into_every_window_over_it(play: Play) -> None:
    played = play(WindowRule(size=4, hop=2, require="any"), {"a": Spec()}, [at("a", 5)])
    assert [found.time for found in played.sets] == [2, 4]
    assert played.fates == {"matched": 1}


def test_windows_start_at_the_offset(play: Play) -> None:
    rule = WindowRule(size=10, hop=10, offset=3, require="any")
    played = play(rule, {"a": Spec()}, [at("a", 2), at("a", 3)])
    assert [(found.time, found.ids) for found in played.sets] == [(-7, "a2"), (3, "a3")]


def test_a_chunk_is_in_every_window_that_it_overlaps(play: Play) -> None:
    rule = WindowRule(size=10, hop=10, require="any")
    played = play(rule, {"a": Spec()}, [at("a", 5, duration=15), at("a", 25, duration=5)])
    assert [(f.time, f.ids) for f in played.sets] == [(0, "a5"), (10, "a5"), (20, "a25")]


def test_there_are_no_empty_windows(play: Play) -> None:
    rule = WindowRule(size=10, hop=10, require="any")
    played = play(rule, {"a": Spec()}, [at("a", 5), at("a", 95)])
    assert [found.time for found in played.sets] == [0, 90]


# -- session ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("time", "expected"), [(8, ["a5 a8"]), (9, ["a5", "a9"])])
def test_a_session_goes_on_while_the_next_event_is_at_most_gap_away(
    play: Play, time: int, expected: list[str]
) -> None:
    rule = SessionRule(gap=3, max_length=100, require="any")
    assert ids(play(rule, {"a": Spec()}, [at("a", 5), at("a", time)])) == expected


def test_the_gap_counts_from_the_latest_end(play: Play) -> None:
    rule = SessionRule(gap=3, max_length=100, require="any")
    calls: list[Call] = [at("a", 5, duration=10), at("a", 6), at("a", 18)]
    assert ids(play(rule, {"a": Spec()}, calls)) == ["a18 a5 a6"]


def test_a_session_is_one_per_key_over_all_streams(play: Play) -> None:
    rule = SessionRule(gap=3, max_length=100)
    played = play(rule, TWO, [at("a", 5), at("b", 8), at("a", 11), at("a", 15), at("b", 15)])
    assert [found.ids for found in played.steps[4]] == ["a11 a5 b8"]


def test_a_session_is_cut_at_multiples_of_max_length(play: Play) -> None:
    rule = SessionRule(gap=3, max_length=10, require="any")
    played = play(rule, {"a": Spec()}, [at("a", 8), at("a", 10), at("a", 11)])
    assert steps(played) == [[], ["a8"], [], ["a10 a11"]]


def test_an_event_in_between_joins_two_sessions(play: Play) -> None:
    rule = SessionRule(gap=3, max_length=100, require="any")
    specs = {"a": Spec(lateness=INF)}
    assert ids(play(rule, specs, [at("a", 5), at("a", 11), old("a", 8, 12)])) == ["a11 a5 a8"]


def test_a_session_settles_when_the_bound_is_beyond_the_gap(play: Play) -> None:
    rule = SessionRule(gap=3, max_length=100, require="any")
    calls: list[Call] = [at("a", 5), Advance("a", 8), Advance("a", 9)]
    assert steps(play(rule, {"a": Spec()}, calls)) == [[], [], ["a5"], []]
