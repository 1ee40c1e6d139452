"""Each check of a policy catches one that is broken in just that way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kit_ends import GoodPolicy, Pairs, PolicyKit, broken, caught, passes

from sensorium.durations import INFINITY
from sensorium.events import Fate
from sensorium.testing.conformance import POLICY_CHECKS


def policy(**members: Any) -> type[Any]:
    matcher = broken(Pairs, **members)
    return broken(
        GoodPolicy,
        matcher=lambda self, streams, specs: matcher(len(streams), int(self.size)),
    )


def ready_by_the_first(self: Any, number: int, view: Any) -> bool:
    return not view.open(0, number * self.size, number * self.size + self.size - 1)


def ready_at_once(self: Any, number: int, view: Any) -> bool:
    return len(self.slices[number]) == len(self.streams)


def close_unmarked(self: Any, start: int, entries: Any, view: Any) -> Any:
    [settled] = Pairs.close(self, start, {**entries}, view)
    yield settled


def close_without_release(self: Any, start: int, entries: Any, view: Any) -> Any:
    for held in entries.values():
        held.sort(key=lambda entry: entry.event.time)
        for entry in held:
            entry.mark(Fate.MATCHED)
    yield replace(next(iter(Pairs.close(self, start, {}, view))), members=entries)


def close_late(self: Any, start: int, entries: Any, view: Any) -> Any:
    for held in entries.values():
        held.sort(key=lambda entry: entry.event.time)
        for entry in held:
            view.release(entry)
    yield replace(next(iter(Pairs.close(self, start, {}, view))), members=entries)


COUNTED: dict[str, int] = {}


def counts_globally(self: Any, number: int, view: Any) -> bool:
    """Every fourth slice is left until the others are done, counted over all keys."""
    COUNTED["n"] = COUNTED.get("n", 0) + 1
    return Pairs.ready(self, number, view) and COUNTED["n"] % 4 != 0


def one_anchor(self: Any, start: int, entries: Any, view: Any) -> Any:
    for settled in Pairs.close(self, start, entries, view):
        yield replace(settled, anchor=0)


class Unsnapshot(Pairs):
    """Shares its slices with all copies of itself."""

    def __deepcopy__(self, memo: Any) -> Any:
        return self


def evicts_without_a_fate(self: Any, entry: Any, view: Any) -> None:
    for held in self.slices.pop(entry.event.time // self.size).values():
        for one in held:
            view.release(one)


class NeverIdle(Pairs):
    """Says that it holds something."""

    idle = False  # type: ignore[assignment]


class OwnDeadline(Pairs):
    """Adds the policy's deadline by itself."""

    def __init__(self, streams: int, size: int, deadline: Any) -> None:
        super().__init__(streams, size)
        self.deadline = deadline

    def ready(self, number: int, view: Any) -> bool:
        due = (number + 1) * self.size + self.deadline
        for stream in self.streams:
            view.wake(stream, 10**18, due)
        return super().ready(number, view) or all(view.passed(it, due) for it in self.streams)


POLICIES = [
    ("declares_itself", broken(GoodPolicy, extent=lambda self, longest: 1.5), "extent gave 1.5"),
    (
        "config_is_strict",
        broken(GoodPolicy, model_config={"extra": "ignore"}),
        "takes an unknown key",
    ),
    ("keeps_to_a_limit", policy(evict=evicts_without_a_fate), "no event was given up"),
    ("sets_are_whole", broken(GoodPolicy, extent=lambda self, longest: 5), "extent is 5"),
    ("sets_are_whole", policy(close=one_anchor), "have the id of another one"),
    ("sets_are_whole", policy(ready=lambda self, number, view: False), "no set settled"),
    ("arrival_order_does_not_matter", policy(ready=ready_at_once), "in another order"),
    ("fates_add_up", policy(close=close_without_release), "events are pending"),
    ("fates_add_up", policy(close=close_late), "0 events are matched; the sets have"),
    ("keys_are_independent", policy(ready=counts_globally), "has other sets alone"),
    (
        "resumes_from_a_snapshot",
        broken(
            GoodPolicy,
            matcher=lambda self, streams, specs: Unsnapshot(len(streams), int(self.size)),
        ),
        "restored after",
    ),
    (
        "keeps_earlier_deadlines",
        broken(
            GoodPolicy,
            deadline_may_change=True,
            matcher=lambda self, streams, specs: OwnDeadline(
                len(streams), int(self.size), self.deadline
            ),
        ),
        "have to take deadlines from `View.due`",
    ),
    (
        "keeps_earlier_deadlines",
        broken(GoodPolicy, deadline_may_change=True),
        "no set depends on the deadline",
    ),
    (
        "forgets_quiet_keys",
        broken(
            GoodPolicy,
            matcher=lambda self, streams, specs: NeverIdle(len(streams), int(self.size)),
        ),
        "2 keys are held",
    ),
    (
        "forgets_quiet_keys",
        broken(GoodPolicy, extent=lambda self, longest: INFINITY),
        "extent is infinite",
    ),
]


def test_a_policy_that_conforms_passes() -> None:
    passes(PolicyKit, GoodPolicy)


@pytest.mark.parametrize(("check", "plugin", "message"), POLICIES)
def test_a_broken_policy_is_caught(check: str, plugin: Any, message: str) -> None:
    caught(PolicyKit, check, plugin, message)


def test_every_check_of_a_policy_has_something_broken() -> None:
    assert {case[0] for case in POLICIES} == set(POLICY_CHECKS)
