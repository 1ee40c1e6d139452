"""A run as it is seen from outside: metrics and health while it goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from sensorium.errors import UnavailableError
from sensorium.host import Pipeline, PluginHost
from sensorium.observe import METRICS, Health, Histogram, Reading
from sensorium.plugin import Batch
from sensorium.runtime import LocalExecutor
from sensorium.testing import MemorySink, MemorySource

MakePipeline = Callable[..., Pipeline]
Series = dict[tuple[str, ...], Any]


def series(readings: list[Reading]) -> Series:
    """Every reading under its name and labels; of a histogram the count and the sum."""
    found: Series = {}
    for name, labels, value in readings:
        assert len(labels) == len(METRICS[name].labels), name
        assert (name, *labels) not in found
        assert isinstance(value, Histogram) == (METRICS[name].kind == "histogram")
        counted = (sum(value.counts), value.sum) if isinstance(value, Histogram) else value
        found[name.removeprefix("sensorium_"), *labels] = counted
    return found


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds, at most 20 s."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def finished(
    host: PluginHost, make_pipeline: MakePipeline, kit: SimpleNamespace
) -> tuple[Series, Any]:
    """The readings after a run in which a record was poison and a set could not be encoded."""
    records = [kit.record(s, float(t), t) for t in range(9) for s in "ab"]
    records[2] = kit.record("a", "no number", 1)
    records[8] = kit.record("a", -2.0, 4)
    local = LocalExecutor(
        make_pipeline(), host, MemorySource(records), MemorySink(), clock=lambda: 2 * 10**9
    )
    summary = local.run()
    return series(local.readings()), summary


def test_the_metrics_say_what_the_summary_says(finished: tuple[Series, Any]) -> None:
    found, summary = finished
    assert found["records_total", "a", "event"] == 8
    assert found["records_total", "a", "dead_letter"] == 1
    assert found["records_total", "b", "event"] == 9
    assert found["sets_total",] == summary.sets == 9
    assert found["predictions_total",] == summary.predictions == 9
    assert found["event_fates_total", "matched"] == summary.fates["matched"]
    assert found["events_pending",] == 0
    assert found["sets_complete_total",] == 7
    assert found["set_streams",] == (9, 7 + 2 * 0.5)
    assert found["set_absences_total", "a", "proven"] == 1
    assert found["set_absences_total", "a", "failed"] == 1


def test_stages_pass_on_what_they_take(finished: tuple[Series, Any]) -> None:
    found, _ = finished
    flow = {
        stage: (found["stage_in_total", stage], found["stage_out_total", stage])
        for stage in ("ingest", "align", "encode", "fuse", "emit")
    }
    assert flow == {
        "ingest": (18, 17), "align": (17, 9), "encode": (9, 9), "fuse": (9, 9), "emit": (9, 9)
    }  # fmt: skip
    for stage in flow:
        calls, seconds = found["stage_seconds", stage]
        assert calls > 0
        assert seconds > 0


def test_failures_name_stage_stream_plugin_and_hook(finished: tuple[Series, Any]) -> None:
    found, _ = finished
    assert found["dead_letters_total", "ingest", "a"] == 1
    assert found["dead_letters_total", "encode", "a"] == 1
    assert found["plugin_errors_total", "number", "decode"] == 1
    assert found["plugin_errors_total", "number", "encode"] == 1


def test_batches_and_latencies(finished: tuple[Series, Any]) -> None:
    found, _ = finished
    batches, sets = found["batch_sets",]
    assert (batches, sets) == (3, 9)
    assert found["sets_in_flight",] == found["sets_waiting",] == 0
    count, total = found["event_latency_seconds",]
    assert count == 9
    assert total == pytest.approx(9 * 2, abs=0.001)
    assert found["arrival_latency_seconds",][0] == 9
    assert found["last_prediction_time_seconds",] == 2
    assert found["newest_event_time_seconds", "a"] == 1008 / 1e9


def test_of_a_slow_model_the_health_and_the_metrics_tell(
    host: PluginHost, make_pipeline: MakePipeline, kit: SimpleNamespace
) -> None:
    gate, asked = threading.Event(), threading.Event()

    class Slow(kit.Number):
        gates: ClassVar[dict[float, threading.Event]] = {0.0: gate}

        def encode(self, arrays: Any) -> Any:
            asked.set()
            return super().encode(arrays)

    seconds = [0.0]
    health = Health(30, lambda: seconds[0])
    batches = [
        Batch([kit.record(s, float(t), t) for s in "ab" for t in range(4 * n, 4 * n + 4)])
        for n in range(2)
    ]
    local = LocalExecutor(
        make_pipeline(Slow), host, MemorySource(batches, ends=False), MemorySink(), health=health
    )
    thread = threading.Thread(target=local.run)
    thread.start()
    try:
        assert asked.wait(20)
        eventually(lambda: series(local.readings())["sets_in_flight",] == 8)
        seconds[0] = 29
        assert health.ready().ok
        seconds[0] = 31
        silent = ("the models have given nothing back for 31 s",)
        eventually(lambda: health.ready().reasons == silent)
        assert health.live().ok
    finally:
        gate.set()
        local.stop()
        thread.join(20)
    assert health.models_silent == 0
    assert health.ready().reasons == ("it is stopping",)


def test_a_decoder_that_hangs_is_a_stall(
    host: PluginHost, make_pipeline: MakePipeline, kit: SimpleNamespace
) -> None:
    gate, asked = threading.Event(), threading.Event()

    class Hanging(kit.Number):
        def decode(self, payload: Any) -> Any:
            asked.set()
            assert gate.wait(20)
            return super().decode(payload)

    seconds = [0.0]
    health = Health(30, lambda: seconds[0])
    source = MemorySource([kit.record("a", 1.0, 1)])
    local = LocalExecutor(make_pipeline(Hanging), host, source, MemorySink(), health=health)
    thread = threading.Thread(target=local.run)
    thread.start()
    try:
        assert asked.wait(20)
        seconds[0] = 31
        live, [reason] = health.live()
        assert not live
        assert "the loop has not turned for 31 s; it is in wait, threading.py" in reason
    finally:
        gate.set()
        thread.join(20)


def test_a_run_tells_its_log_and_no_payload(
    host: PluginHost,
    make_pipeline: MakePipeline,
    kit: SimpleNamespace,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Telltale(kit.Number):
        def decode(self, payload: Any) -> Any:
            raise ValueError(f"what is {payload.data}?")

    records = [kit.record(s, "secret", t) for t in range(300) for s in "ab"]
    local = LocalExecutor(make_pipeline(Telltale), host, MemorySource(records), MemorySink())
    with caplog.at_level("DEBUG", logger="sensorium"):
        local.run()
    told = [(it.name, it.event, it.getMessage()) for it in caplog.records]  # type: ignore[attr-defined]
    assert told == [
        ("sensorium.run", "assigned", "reading partitions 0"),
        (
            "sensorium.ingest",
            "dead_letter",
            "300 dead letters: ValueError in number.decode, stream a",
        ),
        (
            "sensorium.ingest",
            "dead_letter",
            "300 dead letters: ValueError in number.decode, stream b",
        ),
        (
            "sensorium.run",
            "stopped",
            "the source has ended: events 0, sets 0, predictions 0, dead_letters 600",
        ),
    ]
    assert all(it.pipeline == "adding" for it in caplog.records)  # type: ignore[attr-defined]


def test_a_model_that_is_spared_is_seen(
    host: PluginHost, make_pipeline: MakePipeline, kit: SimpleNamespace
) -> None:
    class Gone(kit.Number):
        def encode(self, arrays: Any) -> Any:
            raise UnavailableError("nobody answers")

    records = [kit.record(s, float(t), t) for t in range(100) for s in "ab"]
    local = LocalExecutor(make_pipeline(Gone), host, MemorySource(records), MemorySink())
    assert series(local.readings())["circuit_open", "number", "a"] == 0
    local.run()
    found = series(local.readings())
    assert found["circuit_open", "number", "a"] == 1
    assert found["retries_total", "number", "a"] > 0
    assert found["set_absences_total", "a", "failed"] == 100
    assert found["set_streams",] == (100, 0)
