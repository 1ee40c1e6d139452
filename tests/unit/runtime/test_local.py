"""The local executor: everything that goes in comes out once, in order, whatever the threads do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensorium.errors import RunError
from sensorium.events import Absence
from sensorium.host import Pipeline, PluginHost
from sensorium.plugin import Batch, Record, TopicPartition
from sensorium.runtime import LocalExecutor, RunSummary, ThreadFlight
from sensorium.testing import MemorySink, MemorySource

MakePipeline = Callable[..., Pipeline]


def results(sink: MemorySink) -> list[float]:
    return [prediction.tasks["it"].values[0] for prediction in sink.predictions]


@pytest.fixture
def execute(host: PluginHost, make_pipeline: MakePipeline) -> Any:
    def run(records: Any, pipeline: Pipeline | None = None, **options: Any) -> Any:
        source, sink = MemorySource(records), MemorySink()
        local = LocalExecutor(pipeline or make_pipeline(), host, source, sink, **options)
        return local.run(), sink, source

    return run


def test_every_set_is_predicted_once_and_in_order(execute: Any, kit: SimpleNamespace) -> None:
    summary, sink, source = execute([kit.record(s, float(t), t) for t in range(50) for s in "ab"])
    assert results(sink) == [2.0 * t for t in range(50)]
    assert [p.time for p in sink.predictions] == list(range(50))
    assert (summary.events, summary.sets, summary.predictions) == (100, 50, 50)
    assert summary.fates["matched"] == 100
    assert not summary.stopped
    assert source.closed
    assert sink.closed
    assert sink.flushed == 50


def test_what_is_left_at_the_end_is_settled_and_absences_are_told(
    execute: Any, kit: SimpleNamespace
) -> None:
    summary, sink, _ = execute(
        [kit.record("a", 1.0, 1), kit.record("b", 1.0, 1), kit.record("a", 5.0, 2)]
    )
    assert results(sink) == [2.0, 5.0]
    assert sink.predictions[1].absent == {"b": Absence.PROVEN}
    assert summary.absences == {"b": {"proven": 1}}


def test_what_fails_is_buried_and_the_others_go_on(execute: Any, kit: SimpleNamespace) -> None:
    records = [kit.record(s, float(t), t) for t in range(9) for s in "ab"]
    records[2] = kit.record("a", "no number", 1)
    records[8] = kit.record("a", -2.0, 4)
    summary, sink, _ = execute(records)
    assert [letter.stage for letter in sink.dead_letters] == ["ingest", "encode"]
    assert results(sink) == [0.0, 1.0, 4.0, 6.0, 4.0, 10.0, 12.0, 14.0, 16.0]
    assert summary.dead_letters == 2
    assert summary.absences == {"a": {"proven": 1, "failed": 1}}


def test_order_does_not_depend_on_which_thread_is_first(
    execute: Any, kit: SimpleNamespace, make_pipeline: MakePipeline
) -> None:
    """The first micro-batch is held until the second has been encoded."""
    second_done = threading.Event()

    class Slow(kit.Number):
        gates: ClassVar[dict[float, threading.Event]] = {0.0: second_done}

        def encode(self, arrays: Any) -> Any:
            features = super().encode(arrays)
            if 7.0 in arrays["x"]:
                second_done.set()
            return features

    records = [kit.record(s, float(t), t) for t in range(8) for s in "ab"]
    _, sink, _ = execute(records, make_pipeline(Slow))
    assert results(sink) == [2.0 * t for t in range(8)]


def test_a_slow_model_stops_the_polling(
    host: PluginHost,
    kit: SimpleNamespace,
    make_pipeline: MakePipeline,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate, held_up = threading.Event(), threading.Event()

    class Slow(kit.Number):
        gates: ClassVar[dict[float, threading.Event]] = {0.0: gate}

    class Counting(MemorySource):
        polls = 0

        def poll(self, limit: int, timeout: float) -> Batch:
            self.polls += 1
            return super().poll(limit, timeout)

    wait = ThreadFlight.wait

    def sensing(flight: ThreadFlight, seconds: float) -> None:
        if flight.full:
            held_up.set()
        wait(flight, seconds)

    monkeypatch.setattr(ThreadFlight, "wait", sensing)
    batches = [
        Batch([kit.record(s, float(t), t) for s in "ab" for t in range(4 * n, 4 * n + 4)])
        for n in range(40)
    ]
    source, sink = Counting(batches), MemorySink()
    local = LocalExecutor(make_pipeline(Slow), host, source, sink)
    thread = threading.Thread(target=local.run)
    thread.start()
    assert held_up.wait(20)
    # Three micro-batches fly, one waits for room.
    assert source.polls <= 5
    assert sink.predictions == []
    gate.set()
    thread.join(20)
    assert len(sink.predictions) == 160


def test_what_waited_for_a_slow_model_still_gets_to_it_in_calls_of_its_size(
    execute: Any,
    kit: SimpleNamespace,
    make_pipeline: MakePipeline,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()
    calls: list[int] = []
    together: list[int] = []

    class Slow(kit.Number):
        def encode(self, arrays: Any) -> Any:
            assert gate.wait(20)
            calls.append(len(arrays["x"]))
            return super().encode(arrays)

    submit, wait = ThreadFlight.submit, ThreadFlight.wait

    def counting(flight: ThreadFlight, batch: Any) -> None:
        together.append(len(batch.sets))
        submit(flight, batch)

    def opening(flight: ThreadFlight, seconds: float) -> None:
        gate.set()
        wait(flight, seconds)

    monkeypatch.setattr(ThreadFlight, "submit", counting)
    monkeypatch.setattr(ThreadFlight, "wait", opening)
    pipeline = make_pipeline(Slow)
    size = pipeline.config.runtime.batch.size
    _, sink, _ = execute([kit.record(s, float(t), t) for t in range(100) for s in "ab"], pipeline)
    assert results(sink) == [2.0 * t for t in range(100)]
    assert max(together) == 8 * size
    assert max(calls) == size


def test_stop_finishes_what_is_in_flight(
    host: PluginHost, kit: SimpleNamespace, make_pipeline: MakePipeline
) -> None:
    records = [kit.record(s, float(t), t) for t in range(6) for s in "ab"]
    source, sink = MemorySource(records, ends=False), MemorySink()
    local = LocalExecutor(make_pipeline(wait="1h"), host, source, sink)

    polled = source.poll

    def poll(limit: int, timeout: float) -> Batch:
        batch = polled(limit, timeout)
        if not batch.records:
            local.stop()
            local.stop()
        return batch

    source.poll = poll  # type: ignore[method-assign]
    summary = local.run()
    assert results(sink) == [2.0 * t for t in range(6)]
    assert summary.stopped
    assert source.closed
    assert sink.flushed == 6


def test_stop_at_once_abandons_what_is_in_flight(
    host: PluginHost, kit: SimpleNamespace, make_pipeline: MakePipeline
) -> None:
    gate = threading.Event()

    class Stuck(kit.Number):
        gates: ClassVar[dict[float, threading.Event]] = {0.0: gate}

    records = [kit.record(s, float(t), t) for t in range(99) for s in "ab"]
    source, sink = MemorySource(records, ends=False), MemorySink()
    local = LocalExecutor(make_pipeline(Stuck), host, source, sink)
    thread = threading.Thread(target=local.run)
    thread.start()
    local.stop(now=True)
    thread.join(20)
    gate.set()
    assert not thread.is_alive()
    assert sink.predictions == []
    assert sink.closed


def test_until_end_waits_for_the_word_of_the_source(
    host: PluginHost, kit: SimpleNamespace, make_pipeline: MakePipeline
) -> None:
    batches = [
        Batch(),
        Batch([kit.record("a", 1.0, 1)], {TopicPartition("b", 0): 5}),
        Batch(),
        Batch([kit.record("b", 1.0, 1)]),
        Batch((), {TopicPartition("a", 0): 9}),
        Batch([kit.record("a", 7.0, 7)]),
    ]
    source, sink = MemorySource(batches, ends=False), MemorySink()
    summary = LocalExecutor(make_pipeline(), host, source, sink, until_end=True).run()
    assert results(sink) == [2.0]
    assert not summary.stopped


def test_partition_numbers_are_aligned_apart(execute: Any, kit: SimpleNamespace) -> None:
    records = [kit.record(s, 1.0, 1, key=f"k{p}", partition=p) for p in (1, 0) for s in "ab"]
    _, sink, _ = execute(records)
    assert [p.key for p in sink.predictions] == ["k1", "k0"]


def test_observers_see_every_batch(execute: Any, kit: SimpleNamespace, watcher: Any) -> None:
    told: list[Any] = []
    records = [kit.record(s, float(t), t) for t in range(5) for s in "ab"]
    records.append(Record("a", 0, 9, b"?", arrived=1))
    _, sink, _ = execute(records, on_predictions=lambda p, s: told.extend(zip(p, s, strict=True)))
    assert len(watcher.seen["events"]) == 10
    assert [aligned.time for aligned in watcher.seen["sets"]] == list(range(5))
    assert watcher.seen["predictions"] == sink.predictions
    assert watcher.seen["dead_letters"] == sink.dead_letters != []
    assert [(p.id, s.id) for p, s in told] == [(p.id, p.id) for p in sink.predictions]


def test_a_sink_that_fails_ends_the_run_and_everything_is_closed(
    host: PluginHost, kit: SimpleNamespace, make_pipeline: MakePipeline
) -> None:
    class Full(MemorySink):
        def write(self, predictions: Any) -> None:
            raise RunError("the disk is full")

    source, sink = MemorySource([kit.record(s, 1.0, 1) for s in "ab"]), Full()
    with pytest.raises(RunError, match="disk is full"):
        LocalExecutor(make_pipeline(), host, source, sink).run()
    assert source.closed
    assert sink.closed


def test_the_summary_is_shown_as_rows(execute: Any, kit: SimpleNamespace) -> None:
    summary, _, _ = execute([kit.record(s, 1.0, 1) for s in "ab"])
    assert isinstance(summary, RunSummary)
    rows = dict(summary.rows)
    assert rows["events"] == "2"
    assert rows["fate matched"] == "2"
    assert rows["latency p50"].endswith(" ms")
    assert set(summary.stage_seconds) == {"ingest", "align", "encode", "fuse", "emit"}


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(0, 60), max_size=8), size=st.integers(1, 9))
def test_predictions_do_not_depend_on_how_records_come_in_batches(
    execute: Any, kit: SimpleNamespace, make_pipeline: MakePipeline, cuts: list[int], size: int
) -> None:
    records = [kit.record(s, float(t), t, key=f"k{t % 3}") for t in range(30) for s in "ab"]
    edges = [0, *sorted(cuts), len(records)]
    batches = [Batch(records[start:stop]) for start, stop in pairwise(edges)]
    _, sink, _ = execute(batches, make_pipeline(size=size, wait="0"))
    _, whole, _ = execute(records)
    assert sink.predictions == whole.predictions
