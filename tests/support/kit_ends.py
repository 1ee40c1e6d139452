"""A source, a sink, a policy, a task and an observer that conform, and how tests break them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from pydantic import BaseModel

from sensorium.durations import Duration, DurationField
from sensorium.errors import PayloadError
from sensorium.events import AlignedSet, DeadLetter, Event, Fate, Prediction, TaskResult
from sensorium.hookspecs import hookimpl
from sensorium.plugin import (
    Batch,
    Entry,
    Matcher,
    PluginConfig,
    Policy,
    Record,
    Settled,
    Sink,
    Source,
    StreamSpec,
    Task,
    TopicPartition,
    View,
)
from sensorium.testing.conformance import (
    Conformance,
    Outcome,
    PolicyConformance,
    SinkConformance,
    SourceConformance,
    TaskConformance,
)


class GoodSource(Source):
    """Five records in each of two partitions."""

    name = "good-source"

    def __init__(self, config: Any, topics: Sequence[str]) -> None:
        super().__init__(config, topics)
        self.at = 0
        self.closed = False
        self.paused = False

    def partitions(self) -> Sequence[int]:
        return [0, 1]

    def record(self, number: int) -> Record:
        return Record("t", number % 2, number // 2, b"%d" % number, arrived=number)

    def poll(self, limit: int, timeout: float) -> Batch:
        stop = self.at if self.closed or self.paused else min(self.at + limit, 10)
        records = [self.record(number) for number in range(self.at, stop)]
        self.at = stop
        return Batch(records, ended=self.closed or stop == 10)

    def pause(self, places: Collection[TopicPartition]) -> bool:
        self.paused = bool(places)
        return True

    def close(self) -> None:
        self.closed = True


class SourceKit(SourceConformance):
    """Of `GoodSource`, or what a test makes of it."""

    records = 10


class PathConfig(PluginConfig):
    path: str


class GoodSink(Sink):
    """Lines of JSON."""

    name = "good-sink"
    Config = PathConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.lines: list[str] = []

    def write(self, predictions: Sequence[Prediction]) -> None:
        self.lines += [json.dumps([it.id, sorted(it.tasks)]) for it in predictions]

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        pass

    def flush(self) -> None:
        lines, self.lines = self.lines, []
        with Path(self.config.path).open("a") as file:
            file.writelines(line + "\n" for line in lines)

    def close(self) -> None:
        self.flush()


class SinkKit(SinkConformance):
    """Of `GoodSink`, or what a test makes of it."""

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        return {"path": str(folder / "lines")}

    @classmethod
    def written(cls, folder: Path) -> Sequence[str]:
        path = folder / "lines"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line)[0] for line in lines]


class Pairs(Matcher):
    """Events of the same slice of time, one or more of every stream."""

    def __init__(self, streams: int, size: int) -> None:
        self.streams = range(streams)
        self.size = size
        self.slices: dict[int, dict[int, list[Entry]]] = {}
        self.evicted = -(10**18)

    @property
    def idle(self) -> bool:
        return not self.slices

    def add(self, stream: int, entry: Entry, view: View) -> None:
        number = entry.event.time // self.size
        if number <= self.evicted:
            entry.mark(Fate.EVICTED)
            view.release(entry)
            return
        self.slices.setdefault(number, {}).setdefault(stream, []).append(entry)

    def ready(self, number: int, view: View) -> bool:
        first = number * self.size
        return not any(view.open(it, first, first + self.size - 1) for it in self.streams)

    def settle(self, view: View) -> Iterable[Settled]:
        for number in sorted(self.slices):
            if self.ready(number, view):
                entries = self.slices.pop(number)
                yield from self.close(number * self.size, entries, view)

    def close(self, start: int, entries: dict[int, list[Entry]], view: View) -> Iterable[Settled]:
        for held in entries.values():
            held.sort(key=lambda entry: entry.event.time)
            for entry in held:
                entry.mark(Fate.MATCHED)
                view.release(entry)
        yield Settled(start, start, start, start + self.size, entries)

    def evict(self, entry: Entry, view: View) -> None:
        number = entry.event.time // self.size
        self.evicted = max(self.evicted, number)
        view.give_up()
        for held in self.slices.pop(number).values():
            for one in held:
                one.mark(Fate.EVICTED)
                view.release(one)

    def held(self) -> Iterable[Entry]:
        for entries in self.slices.values():
            for held in entries.values():
                yield from held


class GoodPolicy(Policy):
    """Slices of time, in part."""

    name = "good-policy"
    require: Any = "any"
    size: DurationField = 2_000_000_000

    def extent(self, max_duration: Duration) -> Duration:
        return self.size

    def matcher(self, streams: Sequence[str], specs: Sequence[StreamSpec]) -> Matcher:
        return Pairs(len(streams), int(self.size))


class PolicyKit(PolicyConformance):
    """Of `GoodPolicy`, or what a test makes of it."""


class GoodTask(Task):
    """A number from 0 to 1."""

    name = "good-task"

    @property
    def size(self) -> int:
        return 1

    def activate(self, logits: Any) -> Any:
        return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))

    def result(self, activated: Any) -> TaskResult:
        return TaskResult(values=(float(activated[0]),))

    def target(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise PayloadError("expected a number from 0 to 1")
        return np.array([value], np.float64)

    def loss(self, logits: Any, targets: Any) -> Any:
        return (logits.sigmoid() - targets).square().mean()


class TaskKit(TaskConformance):
    """Of `GoodTask`, or what a test makes of it."""

    targets = (0.9, 1)


def good_observer() -> SimpleNamespace:
    """Counts what it is shown, per key."""
    counts: Counter[str] = Counter()

    @hookimpl
    def sensorium_on_events(pipeline: str, events: Sequence[Event]) -> None:
        counts.update(event.key for event in events)

    @hookimpl
    def sensorium_on_sets(pipeline: str, sets: Sequence[AlignedSet]) -> None:
        counts.update(one.key for one in sets)

    return SimpleNamespace(
        __name__="good_observer",
        sensorium_on_events=sensorium_on_events,
        sensorium_on_sets=sensorium_on_sets,
    )


class Lax(BaseModel):
    """A configuration that takes anything."""

    model_config = {"frozen": True}
    path: str = ""


def broken(good: type[Any], **members: Any) -> type[Any]:
    """A class with some of its members replaced."""
    return type("Broken", (good,), {"__doc__": "It is broken.", **members})


def outcome(kit: type[Conformance], check: str, plugin: Any) -> Outcome:
    """What one check says of a plugin; the others are left out."""
    waived = {name: "another case" for name in kit._checks if name != check}
    report = type("TestBroken", (kit,), {"plugin": plugin, "waived": waived}).report()
    [made] = [it for it in report.outcomes if it.check == check]
    return made


def passes(kit: type[Conformance], plugin: Any) -> None:
    """Assert that a plugin passes all checks, and is measured."""
    report = type("TestGood", (kit,), {"plugin": plugin}).report()
    assert report.ok, str(report)
    assert report.figures


def caught(kit: type[Conformance], check: str, plugin: Any, message: str) -> None:
    """Assert that a check fails, with a message."""
    made = outcome(kit, check, plugin)
    assert made.state == "failed"
    assert re.search(message, made.message), made.message
