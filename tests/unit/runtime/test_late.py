"""Late events and memory limits, as the local executor shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from sensorium.align import Exact
from sensorium.host import Pipeline, PluginHost
from sensorium.plugin import Record
from sensorium.runtime import LocalExecutor, RunSummary
from sensorium.testing import MemorySink, MemorySource

Run = Callable[..., tuple[RunSummary, MemorySink]]


@pytest.fixture
def run(host: PluginHost, make_pipeline: Callable[..., Pipeline], kit: SimpleNamespace) -> Run:
    """Run ``(stream, time, log time)`` through a pipeline whose sets wait 10 for `b`."""

    def execute(
        rows: list[tuple[str, int, int]], limits: dict[str, int] | None = None, **late: Any
    ) -> tuple[RunSummary, MemorySink]:
        pipeline = make_pipeline()
        policy = Exact(require="any", deadline=10, **late)
        align = pipeline.config.align.model_copy(update=limits or {})
        config = pipeline.config.model_copy(update={"align": align})
        pipeline = replace(pipeline, policy=policy, config=config)
        records = [
            replace_arrived(kit.record(stream, float(time), time), arrived, offset)
            for offset, (stream, time, arrived) in enumerate(rows)
        ]
        sink = MemorySink()
        summary = LocalExecutor(pipeline, host, MemorySource(records), sink).run()
        return summary, sink

    return execute


def replace_arrived(record: Record, arrived: int, offset: int) -> Record:
    return replace(record, arrived=arrived, offset=offset)


#: The set of 1 is due when `b` is beyond 11 in the log; its own event comes at 12.
LATE = [("a", 1, 1), ("a", 2, 2), ("b", 1, 12), ("b", 2, 12), ("b", 1, 13), ("b", 9, 20)]


def test_a_late_event_is_dropped_and_counted(run: Run) -> None:
    summary, sink = run(LATE)
    assert [(p.time, sorted(p.members), p.revision) for p in sink.predictions] == [
        (1, ["a"], 0),
        (2, ["a", "b"], 0),
        (9, ["b"], 0),
    ]
    assert summary.fates == {"matched": 4, "late": 1, "duplicate": 1}
    assert sink.dead_letters == []


def test_a_late_event_is_kept_as_a_dead_letter_with_its_coordinates(run: Run) -> None:
    summary, sink = run(LATE, on_late="dead-letter")
    (letter,) = sink.dead_letters
    assert (letter.stage, letter.error) == ("align", "LateEvent")
    assert (letter.stream, letter.key, letter.time, letter.origin) == ("b", "k", 1, "b/0/2")
    assert "deadline" in letter.message
    assert summary.dead_letters == summary.fates["late"] == 1


def test_what_is_late_only_at_the_end_is_kept_too(run: Run) -> None:
    _, sink = run([("a", 1, 1), ("b", 1, 30)], on_late="dead-letter")
    assert [letter.origin for letter in sink.dead_letters] == ["b/0/1"]


def test_a_late_event_revises_the_prediction_of_its_set(run: Run) -> None:
    summary, sink = run(LATE, on_late="revise")
    assert [(p.time, sorted(p.members), p.revision) for p in sink.predictions] == [
        (1, ["a"], 0),
        (1, ["a", "b"], 1),
        (2, ["a", "b"], 0),
        (9, ["b"], 0),
    ]
    first, second = sink.predictions[:2]
    assert first.tasks["it"].values == (1.0,)
    assert second.tasks["it"].values == (2.0,)
    assert first.id != second.id
    assert first.absent == {"b": "timeout"}
    assert second.absent == {}
    assert summary.fates == {"matched": 5, "duplicate": 1}


def test_beyond_revise_within_nothing_is_revised(run: Run) -> None:
    rows = [("a", 1, 1), ("b", 1, 13), ("b", 9, 20)]
    assert [p.revision for p in run(rows, on_late="revise", revise_within=2)[1].predictions] == [
        *(0, 1, 0)
    ]
    summary, sink = run(rows, on_late="revise", revise_within=1)
    assert [p.revision for p in sink.predictions] == [0, 0]
    assert summary.fates == {"matched": 2, "late": 1}


def test_the_limits_of_the_pipeline_file_hold(run: Run) -> None:
    rows = [("a", time, time) for time in range(8)]
    summary, sink = run(rows, limits={"max_pending_events": 3})
    assert summary.fates == {"matched": 3, "evicted": 5}
    assert ("sets given up", "5") in summary.rows
    assert [p.time for p in sink.predictions] == [5, 6, 7]
