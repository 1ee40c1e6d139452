"""Each check of a task or an observer catches one that is broken in just that way."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kit_ends import GoodTask, Lax, TaskKit, broken, caught, good_observer, passes

from sensorium.events import TaskResult
from sensorium.hookspecs import hookimpl
from sensorium.testing.conformance import OBSERVER_CHECKS, TASK_CHECKS, ObserverConformance

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


def observer(**hooks: Any) -> SimpleNamespace:
    return SimpleNamespace(__name__="broken_observer", **hooks)


def shown(function: Callable[[Any], Any]) -> SimpleNamespace:
    @hookimpl
    def sensorium_on_events(events: Any) -> Any:
        return function(events)

    return observer(sensorium_on_events=sensorium_on_events)


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


@pytest.mark.torch
def test_a_task_that_conforms_passes() -> None:
    passes(TaskKit, GoodTask)


@pytest.mark.parametrize(("check", "plugin", "message"), TASKS)
@pytest.mark.torch
def test_a_broken_task_is_caught(check: str, plugin: Any, message: str) -> None:
    caught(TaskKit, check, plugin, message)


def test_every_check_of_a_task_has_something_broken() -> None:
    assert {case[0] for case in TASKS} == set(TASK_CHECKS)


def test_an_observer_that_conforms_passes() -> None:
    passes(ObserverConformance, good_observer())


@pytest.mark.parametrize(("check", "plugin", "message"), OBSERVERS)
def test_a_broken_observer_is_caught(check: str, plugin: Any, message: str) -> None:
    caught(ObserverConformance, check, plugin, message)


def test_every_check_of_an_observer_has_something_broken() -> None:
    assert {case[0] for case in OBSERVERS} == set(OBSERVER_CHECKS)
