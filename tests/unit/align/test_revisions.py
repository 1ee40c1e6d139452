"""What comes late for a set that a deadline has closed; one sentence of the design each.

Every example runs through the oracle and through the engine, but those on what is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from alignment_calls import (
    INF,
    Add,
    Close,
    ExactRule,
    NearestRule,
    Progress,
    Reach,
    Spec,
    WindowRule,
)
from pydantic import ValidationError

from sensorium.align import Aligner, Approximate, Exact, Nearest, StreamSpec, Window
from sensorium.events import Event, Fate

if TYPE_CHECKING:
    from alignment_play import Play, Played

TWO = {"a": Spec(), "b": Spec()}


def add(stream: str, time: int, arrived: int) -> Add:
    return Add(stream, "k", time, arrived, f"{stream}{time}")


def steps(played: Played) -> list[list[tuple[str, int]]]:
    """Per call, the members and the revision of each set that it gave."""
    return [[(found.ids, found.revision) for found in step] for step in played.steps]


def exact(within: float = INF, require: Any = "any") -> ExactRule:
    return ExactRule(require, 4, "revise", within)


def test_a_set_comes_out_again_with_what_missed_its_deadline(play: Play) -> None:
    played = play(exact(), TWO, [add("a", 5, 5), Progress("b", 10), add("b", 5, 11)])
    assert steps(played) == [[], [("a5", 0)], [("a5 b5", 1)], []]
    assert played.sets[0].absent == {("b", "timeout")}
    assert not played.sets[1].unsettled
    assert played.fates == {"matched": 2}


def test_a_set_that_did_not_change_is_not_revised(play: Play) -> None:
    played = play(exact(), TWO, [add("a", 5, 5), Progress("b", 10), add("b", 6, 11)])
    assert steps(played) == [[], [("a5", 0)], [], [("b6", 0)]]


def test_a_set_that_was_not_emitted_is_not_revised(play: Play) -> None:
    played = play(exact(require="all"), TWO, [add("a", 5, 5), Progress("b", 10), add("b", 5, 11)])
    assert played.sets == []
    assert played.fates == {"unmatched": 1, "late": 1}


@pytest.mark.parametrize(("arrived", "revised"), [(12, True), (13, False)])
def test_revise_within_counts_from_the_deadline_in_log_time(
    play: Play, arrived: int, revised: bool
) -> None:
    played = play(exact(3), TWO, [add("a", 5, 5), Progress("b", 10), add("b", 5, arrived)])
    assert [found.revision for found in played.sets] == ([0, 1] if revised else [0])
    assert played.fates == ({"matched": 2} if revised else {"matched": 1, "late": 1})


def test_a_revision_waits_until_the_set_has_settled(play: Play) -> None:
    specs = {**TWO, "c": Spec()}
    calls = [add("a", 5, 5), Progress("b", 10), Progress("c", 10), add("b", 5, 11)]
    played = play(exact(), specs, [*calls, add("c", 5, 12)])
    assert steps(played) == [[], [], [("a5", 0)], [], [("a5 b5 c5", 1)], []]


def test_a_revision_may_come_in_the_same_call_as_its_set(play: Play) -> None:
    played = play(exact(3), TWO, [add("a", 5, 5), add("b", 5, 11), Progress("a", 50)])
    assert steps(played) == [[], [("a5", 0), ("a5 b5", 1)], [], []]


def test_a_nearer_event_that_was_late_takes_the_place_of_the_other(play: Play) -> None:
    rule = NearestRule("a", Reach(5, 5), {}, "any", 4, "revise")
    specs = {"a": Spec(), "b": Spec(lateness=INF)}
    calls = [add("b", 7, 9), add("a", 10, 10), Progress("b", 15), add("b", 9, 16)]
    played = play(rule, specs, [*calls, Close()])
    assert steps(played) == [[], [], [("a10 b7", 0)], [], [("a10 b9", 1)], []]
    # What had been a member of the first stays matched.
    assert played.fates == {"matched": 3}


def test_a_window_is_revised_with_all_that_came_within_the_time(play: Play) -> None:
    rule = WindowRule(10, 10, 0, "any", 2, "revise", 5)
    specs = {"a": Spec(lateness=INF)}
    calls = [add("a", 1, 1), add("a", 9, 13), add("a", 2, 17), add("a", 3, 18)]
    played = play(rule, specs, calls)
    assert steps(played) == [[], [("a1", 0)], [], [("a1 a2 a9", 1)], []]
    assert played.fates == {"matched": 3, "late": 1}


@pytest.mark.parametrize(
    ("policy", "values", "message"),
    [
        (Exact, {"on_late": "revise"}, "on_late: revise needs a deadline"),
        (Exact, {"revise_within": "1s"}, "revise_within needs on_late: revise"),
        (Exact, {"on_late": "keep"}, "'drop', 'dead-letter' or 'revise'"),
        (
            Window,
            {"gap": 1, "max_length": 9, "deadline": 1, "on_late": "revise"},
            "sessions are not revised: on_late is drop or dead-letter",
        ),
        (Approximate, {"on_late": "revise"}, "approximate does not revise its sets"),
    ],
)
def test_what_makes_no_sense_is_refused(policy: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        policy.model_validate(values)


def test_late_events_are_handed_out_once_where_they_are_kept() -> None:
    streams = {"a": StreamSpec(), "b": StreamSpec()}
    aligner = Aligner(Exact(require="any", deadline=4, on_late="dead-letter"), streams)
    aligner.add(Event("a", "k", 5, arrived=5))
    aligner.add(Event("a", "k", 4, arrived=6))  # behind its bound
    aligner.add(Event("b", "k", 5, arrived=10))  # behind the deadline
    restored = Aligner.restore(aligner.snapshot())
    assert [(event.stream, event.time) for event in aligner.take_late()] == [("a", 4), ("b", 5)]
    assert aligner.take_late() == []
    assert len(restored.take_late()) == aligner.fates[Fate.LATE] == 2


def test_late_events_are_not_kept_where_they_are_dropped() -> None:
    aligner = Aligner(Nearest(primary="a"), {"a": StreamSpec()})
    for time in (5, 4):
        aligner.add(Event("a", "k", time, arrived=9))
    assert aligner.fates[Fate.LATE] == 1
    assert aligner.take_late() == []
