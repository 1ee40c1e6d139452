"""The kit of an observer: a plugin that watches batches and changes nothing."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sensorium.events import Absence, AlignedSet, DeadLetter, Event, Prediction, TaskResult
from sensorium.host import LoadedPlugin, PluginHost
from sensorium.testing.conformance._case import Conformance
from sensorium.testing.conformance._report import Subject
from sensorium.testing.conformance._trials import KEPT_BYTES, kept_per_call, microseconds

__all__ = ["OBSERVER_CHECKS", "ObserverConformance", "ObserverSubject"]

_SECOND: Final = 1_000_000_000
_HOOKS: Final = {
    "sensorium_on_events": "events",
    "sensorium_on_sets": "sets",
    "sensorium_on_predictions": "predictions",
    "sensorium_on_dead_letters": "letters",
}


@dataclass(frozen=True)
class ObserverSubject(Subject):
    """An observer to check.

    Parameters
    ----------
    plugin
        The module, or another object with hooks.
    """

    plugin: Any

    @property
    def name(self) -> str:
        """The name of the module."""
        return str(getattr(self.plugin, "__name__", type(self.plugin).__name__))

    def loaded(self) -> LoadedPlugin:
        """The plugin as the host loads it."""
        host = PluginHost(entry_points=(), modules=[self.plugin])
        for problem in host.problems:
            self.refuse(str(problem))
        return host.plugins[0]

    def hooks(self) -> dict[str, Callable[..., Any]]:
        """The observing hooks that it has, by name."""
        loaded = self.loaded()
        found = {it: getattr(loaded.manager.hook, it) for it in _HOOKS if it in loaded.hooks}
        if not found:
            self.refuse(f"it has none of the hooks {', '.join(_HOOKS)}")
        return found

    def figures(self) -> Mapping[str, float]:
        """What a batch of 64 costs, per item."""
        figures = {}
        for hook, function in self.hooks().items():
            shown = {"pipeline": "conformance", _HOOKS[hook]: seen(hook, 0, 64)}
            figures[hook] = microseconds(functools.partial(function, **shown), 64)
        return figures


def seen(hook: str, batch: int, size: int) -> list[Any]:
    """A batch as the engine shows it: of events, sets, predictions or dead letters."""
    makes: dict[str, Callable[[int], Any]] = {
        "sensorium_on_events": _event,
        "sensorium_on_sets": _set,
        "sensorium_on_predictions": _prediction,
        "sensorium_on_dead_letters": _letter,
    }
    return [makes[hook](batch * size + number) for number in range(size)]


def _key(number: int) -> str:
    return f"key {number % 4}"


def _event(number: int, stream: str = "left") -> Event:
    time = number * _SECOND
    origin = f"{stream}/0/{number}"
    return Event(stream, _key(number), time, [float(number)], origin=origin, arrived=time + 1)


def _set(number: int) -> AlignedSet:
    event = _event(number)
    absent = {"right": Absence.PROVEN if number % 2 else Absence.TIMEOUT}
    unsettled = frozenset() if number % 2 else frozenset({"right"})
    return AlignedSet(
        _key(number),
        event.time,
        {"left": (event,)},
        absent,
        unsettled,
        0,
        f"{number:016x}",
        event.time,
        event.time + _SECOND,
    )


def _prediction(number: int) -> Prediction:
    tasks = {
        "kind": TaskResult(label="ab"[number % 2], score=0.75, scores={"a": 0.75, "b": 0.25}),
        "tags": TaskResult(labels=("x",), scores={"x": 0.9}),
        "value": TaskResult(values=(1.5,), contributions={"left": 1.0}),
    }
    given = _set(number)
    members = {"left": (f"left/0/{number}",)}
    return Prediction(
        given.id,
        "conformance",
        given.key,
        given.time,
        tasks,
        members,
        given.absent,
        given.unsettled,
        0,
        "sha256:0",
    )


def _letter(number: int) -> DeadLetter:
    letters = [
        DeadLetter("ingest", "WireError", "no envelope", data=b"\xff", headers={"h": b"\x00"}),
        DeadLetter("align", "Late", "too late", "left", _key(number), 5, "left/0/1", data=b"{}"),
        DeadLetter("encode", "PayloadError", "no number", "left", _key(number), -5, None, "level"),
    ]
    return replace(letters[number % 3], origin=f"left/0/{number}")


def declares_itself(subject: ObserverSubject) -> None:
    """Its hooks are those of `sensorium.hookspecs`, with their parameters, and it observes."""
    subject.hooks()


def takes_every_batch(subject: ObserverSubject) -> None:
    """It takes batches of one, of many and of none, and gives nothing back."""
    for hook, function in subject.hooks().items():
        for size in (1, 16, 0):
            given = seen(hook, 1, size)
            # An observer that raises is left out for good, so nobody would notice.
            answer = function(pipeline="conformance", **{_HOOKS[hook]: given})
            if answer:
                subject.refuse(f"{hook} gave {answer!r:.60}; an observer gives nothing")


def changes_nothing(subject: ObserverSubject) -> None:
    """It leaves the batch, and all that is in it, as it was."""
    for hook, function in subject.hooks().items():
        given = seen(hook, 2, 16)
        before = repr(given), copy.deepcopy([getattr(it, "value", None) for it in given])
        function(pipeline="conformance", **{_HOOKS[hook]: given})
        if (repr(given), [getattr(it, "value", None) for it in given]) != before:
            subject.refuse(f"{hook} changes the batch that it is shown")


def keeps_no_memory(subject: ObserverSubject) -> None:
    """After many batches of the same keys it holds no more than after a few."""
    hooks = subject.hooks()

    def call(number: int) -> None:
        for hook, function in hooks.items():
            function(pipeline="conformance", **{_HOOKS[hook]: seen(hook, number, 16)})

    kept = kept_per_call(call)
    if kept > KEPT_BYTES:
        subject.refuse(f"it keeps {kept:,.0f} bytes of every batch of 16")


#: All checks of an observer, by name.
OBSERVER_CHECKS: Final[Mapping[str, Callable[[ObserverSubject], None]]] = {
    check.__name__: check
    for check in (declares_itself, takes_every_batch, changes_nothing, keeps_no_memory)
}


class ObserverConformance(Conformance, kind="observer", checks=OBSERVER_CHECKS):
    """All checks of an observer: set `plugin` to its module.

    `config` and `configure` give environment variables, which are set while it is checked.
    """

    @classmethod
    def make_subject(cls, folder: Path) -> ObserverSubject:
        """The observer."""
        return ObserverSubject(cls.plugin)

    @classmethod
    @contextmanager
    def surroundings(cls, folder: Path) -> Iterator[None]:
        """The environment variables that `configure` gives."""
        before = dict(os.environ)
        os.environ.update({name: str(value) for name, value in cls.configure(folder).items()})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
