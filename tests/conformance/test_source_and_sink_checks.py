"""Each check of a source or a sink catches one that is broken in just that way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from kit_ends import GoodSink, GoodSource, Lax, SinkKit, SourceKit, broken, caught, passes

from sensorium.plugin import Batch
from sensorium.testing.conformance import SINK_CHECKS, SOURCE_CHECKS

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


def paused_for_ever(self: Any, places: Any) -> bool:
    self.paused = True
    self.closed = not places
    return True


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
    ("pauses", broken(GoodSource, pause=lambda self, places: True), "of what was paused"),
    ("pauses", broken(GoodSource, pause=paused_for_ever), "it gave 0 records"),
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


def test_a_source_that_conforms_passes() -> None:
    passes(SourceKit, GoodSource)


@pytest.mark.parametrize(("check", "plugin", "message"), SOURCES)
def test_a_broken_source_is_caught(check: str, plugin: Any, message: str) -> None:
    caught(SourceKit, check, plugin, message)


def test_every_check_of_a_source_has_something_broken() -> None:
    assert {case[0] for case in SOURCES} == set(SOURCE_CHECKS)


def test_a_sink_that_conforms_passes() -> None:
    passes(SinkKit, GoodSink)


@pytest.mark.parametrize(("check", "plugin", "message"), SINKS)
def test_a_broken_sink_is_caught(check: str, plugin: Any, message: str) -> None:
    caught(SinkKit, check, plugin, message)


def test_every_check_of_a_sink_has_something_broken() -> None:
    assert {case[0] for case in SINKS} == set(SINK_CHECKS)
