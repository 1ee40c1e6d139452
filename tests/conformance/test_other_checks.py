"""Each check of a source, sink, policy, task and observer catches one broken in that way."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kit_ends import (
    GoodPolicy,
    GoodSink,
    GoodSource,
    GoodTask,
    Pairs,
    PolicyKit,
    SinkKit,
    SourceKit,
    TaskKit,
    good_observer,
)
from pydantic import BaseModel

from sensorium.durations import INFINITY
from sensorium.events import Fate, TaskResult
from sensorium.hookspecs import hookimpl
from sensorium.plugin import Batch
from sensorium.testing.conformance import (
    OBSERVER_CHECKS,
    POLICY_CHECKS,
    SINK_CHECKS,
    SOURCE_CHECKS,
    TASK_CHECKS,
    Conformance,
    ObserverConformance,
)

GOOD: Mapping[type[Conformance], Any] = {
    SourceKit: GoodSource,
    SinkKit: GoodSink,
    PolicyKit: GoodPolicy,
    TaskKit: GoodTask,
}


class Lax(BaseModel):
    model_config = {"frozen": True}
    path: str = ""


def broken(good: type[Any], **members: Any) -> type[Any]:
    return type("Broken", (good,), {"__doc__": "It is broken.", **members})


# -- sources ----------------------------------------------------------------------------------


def changed_records(change: Callable[[int, Any], Any]) -> type[Any]:
    return broken(
        GoodSource, record=lambda self, number: change(number, GoodSource.record(self, number))
    )


def polls(change: Callable[[Any, Batch, int], Batch]) -> type[Any]:
    def poll(self: Any, limit: int, timeout: float) -> Batch:
        return change(self, GoodSource.poll(self, limit, timeout), limit)

    return broken(GoodSource, poll=poll)


def forgets_one_by_one(self: Any, batch: Batch, limit: int) -> Batch:
    return replace(batch, records=batch.records[:-1]) if limit == 1 and self.at == 5 else batch


def closed_for_ever(self: Any) -> None:
    if self.closed:
        raise ValueError("closed twice")
    self.closed = True


SEEN = iter(range(10**9))
SOURCES = [
    ("declares_itself", broken(GoodSource, api=99), "api be 1, not 99"),
    ("config_is_strict", broken(GoodSource, Config=Lax), "takes an unknown key"),
    (
        "gives_proper_records",
        changed_records(lambda number, it: replace(it, data="text")),
        "data='text'",
    ),
    (
        "gives_proper_records",
        changed_records(lambda number, it: replace(it, arrived=1.5)),
        "arrived=1.5",
    ),
    (
        "partitions_are_stable",
        broken(GoodSource, partitions=lambda self: [0, 1] if self.at == 0 else [1]),
        "before reading and",
    ),
    ("partitions_are_stable", broken(GoodSource, partitions=lambda self: [0]), r"partitions \[1\]"),
    (
        "limit_is_respected",
        polls(lambda self, batch, limit: GoodSource.poll(self, 5, 0) if limit == 1 else batch),
        "gave 5 records",
    ),
    ("limit_is_respected", polls(forgets_one_by_one), "it gave 9 records, not the 10"),
    (
        "keeps_log_order",
        changed_records(lambda number, it: replace(it, offset=9 - it.offset)),
        "came after",
    ),
    (
        "keeps_log_order",
        changed_records(lambda number, it: replace(it, arrived=-number)),
        "log time of",
    ),
    (
        "reads_the_same_again",
        changed_records(lambda number, it: replace(it, data=b"%d" % next(SEEN))),
        "another record the second time",
    ),
    (
        "ends_for_good",
        polls(lambda self, batch, limit: replace(batch, ended=bool(batch.records))),
        "did not say that it has ended",
    ),
    ("closes_twice", broken(GoodSource, close=closed_for_ever), "closed twice"),
    ("closes_twice", broken(GoodSource, close=lambda self: None), "after close gave 9 records"),
]

# -- sinks ------------------------------------------------------------------------------------


def sink(change: Callable[[Any, Sequence[Any]], Any]) -> type[Any]:
    return broken(GoodSink, write=change)


def needs_a_task(self: Any, predictions: Sequence[Any]) -> None:
    for it in predictions:
        next(iter(it.tasks))
    GoodSink.write(self, predictions)


def empties_the_tasks(self: Any, predictions: Sequence[Any]) -> None:
    GoodSink.write(self, predictions)
    for it in predictions:
        it.tasks.clear()


def first(self: Any, predictions: Sequence[Any]) -> None:
    predictions[0]
    GoodSink.write(self, predictions)


def close_once(self: Any) -> None:
    GoodSink.flush(self)
    del self.lines


SINKS = [
    ("declares_itself", broken(GoodSink, name=""), "name must be set"),
    ("config_is_strict", broken(GoodSink, Config=Lax), "takes an unknown key"),
    ("takes_what_the_engine_gives", sink(needs_a_task), "raised StopIteration"),
    ("takes_nothing", sink(first), "raised IndexError"),
    ("keeps_order", sink(lambda self, it: GoodSink.write(self, it[::-1])), "were written, not"),
    ("keeps_order", broken(GoodSink, close=lambda self: None), "after close"),
    ("flush_makes_safe", broken(GoodSink, flush=lambda self: None), "after flush"),
    ("closes_twice", broken(GoodSink, close=close_once), "raised AttributeError"),
    ("leaves_inputs_alone", sink(empties_the_tasks), "changes the predictions"),
]

# -- policies ---------------------------------------------------------------------------------


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


POLICIES = [
    ("declares_itself", broken(GoodPolicy, extent=lambda self, longest: 1.5), "extent gave 1.5"),
    (
        "config_is_strict",
        broken(GoodPolicy, model_config={"extra": "ignore"}),
        "takes an unknown key",
    ),
    ("keeps_to_a_limit", policy(evict=evicts_without_a_fate), "raised|no event was given up"),
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

# -- tasks ------------------------------------------------------------------------------------

TASKS = [
    ("declares_itself", broken(GoodTask, size=0), "size is 0"),
    ("config_is_strict", broken(GoodTask, Config=Lax), "takes an unknown key"),
    (
        "targets_are_rows",
        broken(GoodTask, target=lambda self, value: np.zeros(2)),
        r"not float64 of \(1,\)",
    ),
    (
        "refuses_bad_targets",
        broken(GoodTask, target=lambda self, value: np.array([float(value)])),
        "raise PayloadError",
    ),
    (
        "activates_rows",
        broken(GoodTask, activate=lambda self, it: it / np.abs(it).max()),
        "in a batch than alone",
    ),
    (
        "activates_rows",
        broken(GoodTask, activate=lambda self, it: np.clip(it, 0, 1, out=it)),
        "read-only",
    ),
    (
        "gives_results",
        broken(GoodTask, result=lambda self, it: TaskResult()),
        "neither a label, nor labels, nor values",
    ),
    (
        "gives_results",
        broken(GoodTask, result=lambda self, it: TaskResult(values=tuple(it))),
        "not of Python's own type",
    ),
    (
        "loss_falls_towards_the_target",
        broken(GoodTask, loss=lambda self, it, targets: (it * 0).sum()),
        "no gradient",
    ),
    (
        "loss_falls_towards_the_target",
        broken(GoodTask, loss=lambda self, it, targets: it.sum(dim=1)),
        "not one finite number",
    ),
]


@pytest.mark.parametrize("kit", GOOD, ids=lambda kit: kit.__name__)
@pytest.mark.torch
def test_what_conforms_passes(kit: Any) -> None:
    report = type("TestGood", (kit,), {"plugin": GOOD[kit]}).report()
    assert report.ok, str(report)
    assert report.figures


@pytest.mark.parametrize(
    ("kit", "check", "plugin", "message"),
    [
        *((SourceKit, *case) for case in SOURCES),
        *((SinkKit, *case) for case in SINKS),
        *((PolicyKit, *case) for case in POLICIES),
        *((TaskKit, *case) for case in TASKS),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.torch
def test_what_is_broken_is_caught(kit: Any, check: str, plugin: Any, message: str) -> None:
    waived = {name: "another case" for name in kit._checks if name != check}
    report = type("TestBroken", (kit,), {"plugin": plugin, "waived": waived}).report()
    [outcome] = [it for it in report.outcomes if it.check == check]
    assert outcome.state == "failed"
    assert re.search(message, outcome.message), outcome.message


def observer(**hooks: Any) -> SimpleNamespace:
    return SimpleNamespace(__name__="broken_observer", **hooks)


def shown(function: Callable[[Any], Any]) -> SimpleNamespace:
    @hookimpl
    def sensorium_on_events(events: Any) -> Any:
        return function(events)

    return observer(sensorium_on_events=sensorium_on_events)


def test_an_observer_that_conforms_passes() -> None:
    report = type("TestGood", (ObserverConformance,), {"plugin": good_observer()}).report()
    assert report.ok, str(report)


KEPT: list[Any] = []


def bad_hook() -> SimpleNamespace:
    @hookimpl
    def sensorium_on_evnts(events: Any) -> None:
        pass

    return observer(sensorium_on_evnts=sensorium_on_evnts)


OBSERVERS = [
    ("declares_itself", bad_hook(), "did you mean sensorium_on_events"),
    ("takes_every_batch", shown(lambda events: events[0] and None), "raised IndexError"),
    ("takes_every_batch", shown(len), "an observer gives nothing"),
    (
        "changes_nothing",
        shown(lambda events: events and events.pop() and None),
        "changes the batch",
    ),
    (
        "changes_nothing",
        shown(lambda events: [event.value.append(0.0) for event in events] and None),
        "changes the batch",
    ),
    ("keeps_no_memory", shown(KEPT.extend), "bytes of every batch"),
]


@pytest.mark.parametrize(("check", "plugin", "message"), OBSERVERS)
def test_a_broken_observer_is_caught(check: str, plugin: Any, message: str) -> None:
    report = type("TestBroken", (ObserverConformance,), {"plugin": plugin}).report()
    [outcome] = [it for it in report.outcomes if it.check == check]
    assert outcome.state == "failed"
    assert message in outcome.message


@pytest.mark.parametrize(
    ("cases", "checks"),
    [
        (SOURCES, SOURCE_CHECKS),
        (SINKS, SINK_CHECKS),
        (POLICIES, POLICY_CHECKS),
        (TASKS, TASK_CHECKS),
        (OBSERVERS, OBSERVER_CHECKS),
    ],
)
def test_every_check_has_something_broken(cases: Any, checks: Mapping[str, Any]) -> None:
    assert {case[0] for case in cases} == set(checks)
