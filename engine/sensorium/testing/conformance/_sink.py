"""The kit of a sink."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from sensorium.events import Absence, DeadLetter, Prediction, TaskResult
from sensorium.plugin import Sink
from sensorium.testing.conformance._case import Conformance
from sensorium.testing.conformance._config_checks import declared, strict
from sensorium.testing.conformance._report import InapplicableError, Subject
from sensorium.testing.conformance._trials import microseconds

__all__ = ["SINK_CHECKS", "SinkConformance", "SinkSubject"]

_SECOND: Final = 1_000_000_000


@dataclass(frozen=True)
class SinkSubject(Subject):
    """A sink to check.

    Parameters
    ----------
    plugin, config
        The class, and its configuration as in a pipeline file.
    written
        Gives the ids of the predictions that have been written, in order, as a reader of what the
        sink writes to sees them.
    """

    plugin: type[Sink]
    config: Mapping[str, Any]
    written: Callable[[], Sequence[str]]

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.plugin.name

    def open(self) -> Sink:
        """A fresh instance."""
        return self.plugin(self.plugin.Config.model_validate(dict(self.config)))

    def expect(self, predictions: Sequence[Prediction], when: str) -> None:
        """Refuse if the reader does not see just these, in order."""
        ids = list(self.written())
        if ids != [it.id for it in predictions]:
            self.refuse(f"{when}, {ids} were written, not {[it.id for it in predictions]}")

    def figures(self) -> Mapping[str, float]:
        """What writing costs, with a flush per 64."""
        batch = [_prediction(number) for number in range(64)]
        sink = self.open()

        def write() -> None:
            sink.write(batch)
            sink.flush()

        try:
            return {"write 64": microseconds(write, 64)}
        finally:
            sink.close()


def _prediction(number: int, **changes: Any) -> Prediction:
    tasks = {"kind": TaskResult(label="a", score=0.75, scores={"a": 0.75, "b": 0.25})}
    members = {"left": (f"topic/0/{number}",)}
    given = {"tasks": tasks, "members": members, **changes}
    return Prediction(f"{number:016x}", "conformance", "one", number * _SECOND, **given)


def predictions() -> list[Prediction]:
    """One of every sort that a pipeline may give."""
    value = TaskResult(values=(1.5, -2.0), contributions={"left": 1.0})
    several = TaskResult(labels=("x", "y"), scores={"x": 0.9, "y": 0.6})
    shares = TaskResult(label="a", score=1.0, scores={"a": 1.0}, contributions={"left": 1.0})
    return [
        _prediction(0),
        _prediction(1, tasks={"value": value, "several": several, "kind": shares}),
        _prediction(2, absent={"right": Absence.TIMEOUT, "up": Absence.PROVEN}),
        _prediction(3, unsettled=frozenset({"right"}), revision=1, model="sha256:0"),
        _prediction(4, members={}, tasks={}),
        Prediction(f"{5:016x}", "conformance", 'キー "\n', -5, {"k": TaskResult(label="ü")}),
    ]


def letters() -> list[DeadLetter]:
    """Dead letters of every stage."""
    return [
        DeadLetter("ingest", "WireError", "no envelope", data=b"\xff\x00", headers={"h": b"\x00"}),
        DeadLetter("align", "Late", "too late", "left", "one", 5, "topic/0/1", data=b""),
        DeadLetter("encode", "PayloadError", "no 'number'", "left", "ü", -5, None, "level"),
        DeadLetter("fuse", "RuntimeError", "no model", key="one", time=2**62, attempt=3),
    ]


def declares_itself(subject: SinkSubject) -> None:
    """It has a name, a line of documentation and the right API version."""
    declared(subject, subject.plugin)


def config_is_strict(subject: SinkSubject) -> None:
    """Its configuration refuses unknown keys, is frozen, and survives JSON."""
    strict(subject, subject.plugin.Config, subject.config)


def takes_what_the_engine_gives(subject: SinkSubject) -> None:
    """Predictions of every task, absence and key are taken, and dead letters of every stage."""
    sink = subject.open()
    try:
        sink.write(tuple(predictions()))
        sink.write_dead_letters(tuple(letters()))
        sink.flush()
    finally:
        sink.close()


def takes_nothing(subject: SinkSubject) -> None:
    """Empty batches, and a flush or an end without any."""
    sink = subject.open()
    try:
        sink.write([])
        sink.write_dead_letters([])
        sink.flush()
    finally:
        sink.close()


def keeps_order(subject: SinkSubject) -> None:
    """What is written comes out once each, in the order of the calls and within them."""
    sink = subject.open()
    given = [_prediction(number) for number in (3, 1, 2, 9, 8, 7, 4)]
    try:
        sink.write(given[:3])
        sink.write_dead_letters(letters())
        sink.write(given[3:4])
        sink.flush()
        sink.write(given[4:])
    finally:
        sink.close()
    subject.expect(given, "after close")


def flush_makes_safe(subject: SinkSubject) -> None:
    """After `flush`, a reader sees all that was written, while the sink is still open."""
    sink = subject.open()
    try:
        for number in range(1, 4):
            sink.write([_prediction(number)])
            sink.flush()
            subject.expect([_prediction(it) for it in range(1, number + 1)], "after flush")
    finally:
        sink.close()


def closes_twice(subject: SinkSubject) -> None:
    """It can be closed unused, and twice."""
    for used in (False, True):
        sink = subject.open()
        if used:
            sink.write([_prediction(1)])
        sink.close()
        sink.close()


def leaves_inputs_alone(subject: SinkSubject) -> None:
    """It does not change what it is given."""
    sink = subject.open()
    given, dead = predictions(), letters()
    before = copy.deepcopy((given, dead))
    try:
        sink.write(given)
        sink.write_dead_letters(dead)
    finally:
        sink.close()
    if (given, dead) != before:
        subject.refuse("it changes the predictions or dead letters that it is given")


#: All checks of a sink, by name.
SINK_CHECKS: Final[Mapping[str, Callable[[SinkSubject], None]]] = {
    check.__name__: check
    for check in (
        declares_itself,
        config_is_strict,
        takes_what_the_engine_gives,
        takes_nothing,
        keeps_order,
        flush_makes_safe,
        closes_twice,
        leaves_inputs_alone,
    )
}


class SinkConformance(Conformance, kind="sink", checks=SINK_CHECKS):
    """All checks of a sink: set `plugin`, define `written`, and `config` or `configure`."""

    plugin: ClassVar[type[Sink]]

    @classmethod
    def written(cls, folder: Path) -> Sequence[str]:
        """The ids of the predictions that have been written, in order, as a reader sees them.

        `folder` is the one that `configure` was given.
        """
        raise InapplicableError("the class does not define `written`, which reads what was written")

    @classmethod
    def make_subject(cls, folder: Path) -> SinkSubject:
        """The sink with a reader of what it writes."""
        written = functools.partial(cls.written, folder)
        return SinkSubject(cls.plugin, cls.configure(folder), written)
