"""What is judged when an event arrives: bounds, lateness, duplicates, validity; one sentence each.

Every example runs through the oracle and through the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alignment_calls import (
    INF,
    Add,
    Advance,
    Call,
    Close,
    ExactRule,
    Heartbeat,
    Progress,
    Rule,
    Spec,
    WindowRule,
)

if TYPE_CHECKING:
    from alignment_play import Play

ANY = ExactRule(require="any")
TUMBLING = WindowRule(size=10, hop=10, require="any")


def a(time: int, arrived: int, name: str, key: str = "k", duration: int = 0) -> Add:
    return Add("a", key, time, arrived, name, duration)


def fates(play: Play, rule: Rule, spec: Spec, *calls: Call) -> dict[str, int]:
    return dict(play(rule, {"a": spec}, calls).fates)


# -- late ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("time", "fate"), [(7, "matched"), (6, "late")])
def test_an_event_older_than_the_newest_of_its_key_minus_lateness_is_late(
    play: Play, time: int, fate: str
) -> None:
    spec = Spec(lateness=3)
    assert fates(play, ANY, spec, a(10, 10, "x"), a(time, 11, "y")).get(fate) == (
        2 if fate == "matched" else 1
    )


def test_the_newest_event_of_another_key_makes_nothing_late(play: Play) -> None:
    played = fates(play, ANY, Spec(), a(10, 10, "x"), a(1, 11, "y", key="m"))
    assert played == {"matched": 2}


@pytest.mark.parametrize(("time", "expected"), [(6, {"matched": 1}), (5, {"late": 1})])
def test_an_event_logged_more_than_max_delay_after_its_time_is_late(
    play: Play, time: int, expected: dict[str, int]
) -> None:
    assert fates(play, ANY, Spec(max_delay=4), a(time, 10, "x")) == expected


def test_log_time_progress_makes_late_for_every_key_also_those_never_seen(play: Play) -> None:
    spec = Spec(max_delay=4)
    assert fates(play, ANY, spec, Progress("a", 20), a(15, 20, "x", key="new")) == {"late": 1}


def test_an_explicit_bound_makes_late_what_is_older_than_it(play: Play) -> None:
    calls: list[Call] = [Advance("a", 10), a(9, 1, "old"), a(10, 2, "at the bound")]
    assert fates(play, ANY, Spec(), *calls) == {"late": 1, "matched": 1}


def test_an_explicit_bound_for_one_key_leaves_the_others(play: Play) -> None:
    calls: list[Call] = [Advance("a", 10, "k"), a(9, 1, "x"), a(9, 2, "y", key="m")]
    assert fates(play, ANY, Spec(), *calls) == {"late": 1, "matched": 1}


def test_a_heartbeat_binds_to_its_own_log_time_plus_max_future_at_most(play: Play) -> None:
    calls: list[Call] = [Heartbeat("a", 100, 10), a(14, 10, "old"), a(15, 10, "at the bound")]
    assert fates(play, ANY, Spec(max_future=5), *calls) == {"late": 1, "matched": 1}


def test_a_bound_never_moves_back(play: Play) -> None:
    calls: list[Call] = [Advance("a", 10), Advance("a", 3), a(9, 1, "x")]
    assert fates(play, ANY, Spec(), *calls) == {"late": 1}


def test_after_close_every_event_is_late(play: Play) -> None:
    assert fates(play, ANY, Spec(), Close("a"), a(10, 10, "x")) == {"late": 1}


def test_a_late_event_does_not_move_the_bound_of_its_key(play: Play) -> None:
    calls: list[Call] = [Advance("a", 5, "k"), a(4, 1, "late"), a(6, 2, "x"), a(7, 3, "y")]
    assert fates(play, ANY, Spec(), *calls) == {"late": 1, "matched": 2}


# -- duplicate ----------------------------------------------------------------------------------


def test_a_second_event_at_the_same_time_is_a_duplicate_and_the_first_stays(play: Play) -> None:
    played = play(ANY, {"a": Spec()}, [a(5, 5, "first"), a(5, 6, "second")])
    assert [found.ids for found in played.sets] == ["first"]
    assert played.fates == {"matched": 1, "duplicate": 1}


def test_the_same_time_in_another_key_is_no_duplicate(play: Play) -> None:
    assert fates(play, ANY, Spec(), a(5, 5, "x"), a(5, 6, "x", key="m")) == {"matched": 2}


def test_a_window_keeps_both_of_one_time_if_their_ids_differ(play: Play) -> None:
    played = play(TUMBLING, {"a": Spec()}, [a(5, 5, "x"), a(5, 6, "y"), a(5, 7, "x")])
    assert [found.ids for found in played.sets] == ["x y"]
    assert played.fates == {"matched": 2, "duplicate": 1}


def test_an_event_is_a_duplicate_of_a_late_one(play: Play) -> None:
    calls: list[Call] = [Advance("a", 10), a(5, 5, "x"), a(5, 6, "y")]
    assert fates(play, ANY, Spec(), *calls) == {"late": 1, "duplicate": 1}


def test_a_repeated_invalid_record_is_a_duplicate(play: Play) -> None:
    spec = Spec(max_future=2)
    assert fates(play, ANY, spec, a(10, 5, "x"), a(10, 6, "x")) == {"invalid": 1, "duplicate": 1}


def test_another_record_at_the_time_of_an_invalid_one_counts(play: Play) -> None:
    spec = Spec(max_future=2)
    assert fates(play, ANY, spec, a(10, 5, "x"), a(10, 8, "y")) == {"invalid": 1, "matched": 1}


@pytest.mark.parametrize(
    ("arrived", "expected"),
    [(12, {"invalid": 1, "duplicate": 1}), (13, {"invalid": 1, "matched": 1})],
)
def test_a_record_more_than_one_horizon_older_is_forgotten(
    play: Play, arrived: int, expected: dict[str, int]
) -> None:
    # The horizon of `exact` is max_delay + max_future + 1 = 7.
    spec = Spec(max_future=2, max_delay=4, max_duration=0)
    assert fates(play, ANY, spec, a(10, 5, "x"), a(10, arrived, "x")) == expected


def test_a_duplicate_is_called_so_even_if_it_is_late_too(play: Play) -> None:
    calls: list[Call] = [a(5, 5, "x"), a(9, 9, "y"), a(5, 9, "x")]
    assert fates(play, ANY, Spec(), *calls) == {"matched": 2, "duplicate": 1}


# -- invalid ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("time", "expected"), [(12, {"matched": 1}), (13, {"invalid": 1})])
def test_an_event_more_than_max_future_ahead_of_its_log_time_is_invalid(
    play: Play, time: int, expected: dict[str, int]
) -> None:
    assert fates(play, ANY, Spec(max_future=2), a(time, 10, "x")) == expected


@pytest.mark.parametrize(("duration", "expected"), [(4, {"matched": 1}), (5, {"invalid": 1})])
def test_an_event_longer_than_max_duration_is_invalid(
    play: Play, duration: int, expected: dict[str, int]
) -> None:
    spec = Spec(max_duration=4)
    assert fates(play, ANY, spec, a(0, 0, "x", duration=duration)) == expected


def test_an_invalid_event_does_not_move_the_bound_of_its_key(play: Play) -> None:
    calls: list[Call] = [a(100, 10, "bad"), a(11, 11, "x")]
    assert fates(play, ANY, Spec(max_future=2), *calls) == {"invalid": 1, "matched": 1}


# -- offset -------------------------------------------------------------------------------------


def test_the_offset_is_added_before_every_rule_and_members_carry_the_corrected_time(
    play: Play,
) -> None:
    calls: list[Call] = [Add("a", "k", 5, 10, "x"), Add("b", "k", 10, 10, "y")]
    played = play(ExactRule(), {"a": Spec(offset=5, max_delay=0), "b": Spec()}, calls)
    assert [found.members for found in played.sets] == [frozenset({("a", 10, "x"), ("b", 10, "y")})]
    assert played.sets[0].time == 10


def test_times_may_be_negative(play: Play) -> None:
    played = play(ANY, {"a": Spec(lateness=INF)}, [a(-7, -5, "x"), a(-9, -4, "y")])
    assert [(found.time, found.ids) for found in played.sets] == [(-7, "x"), (-9, "y")]


@pytest.mark.parametrize(
    ("first", "expected"),
    [(10, {"invalid": 1, "duplicate": 2}), (5, {"matched": 1, "duplicate": 2})],
)
def test_a_record_repeats_a_repeated_one_though_the_first_is_more_than_one_horizon_older(
    play: Play, first: int, expected: dict[str, int]
) -> None:
    # The horizon is 7; the third is 6 younger than the second.
    spec = Spec(max_future=2, max_delay=4, max_duration=0)
    calls: list[Call] = [a(first, 5, "x"), a(first, 11, "x"), a(first, 17, "x")]
    assert fates(play, ANY, spec, *calls) == expected


def test_an_explicit_bound_is_corrected_by_the_offset_as_events_are(play: Play) -> None:
    calls: list[Call] = [Advance("a", 10), a(9, 20, "old"), a(10, 20, "at the bound")]
    assert fates(play, ANY, Spec(offset=5), *calls) == {"late": 1, "matched": 1}
    calls = [Heartbeat("a", 10, 20), a(9, 20, "old"), a(10, 20, "at the bound")]
    assert fates(play, ANY, Spec(offset=5), *calls) == {"late": 1, "matched": 1}


def test_a_repeated_invalid_record_leaves_its_time_free(play: Play) -> None:
    spec = Spec(max_future=2)
    calls: list[Call] = [a(10, 5, "bad"), a(10, 6, "bad"), a(10, 8, "good")]
    played = play(ANY, {"a": spec}, calls)
    assert [found.ids for found in played.sets] == ["good"]
    assert played.fates == {"invalid": 1, "duplicate": 1, "matched": 1}


def test_a_second_event_at_a_time_is_a_duplicate_up_to_one_horizon_after_another_second_one(
    play: Play,
) -> None:
    # The horizon is 7.
    spec = Spec(max_future=2, max_delay=4, max_duration=0)
    calls: list[Call] = [a(5, 5, "x"), a(5, 11, "y"), a(5, 17, "z"), a(5, 25, "z")]
    assert fates(play, ANY, spec, *calls) == {"matched": 1, "duplicate": 2, "late": 1}
