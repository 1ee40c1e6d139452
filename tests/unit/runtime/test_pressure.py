"""Reading stops while too much is in flight, and goes on when half of it is done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import pytest

from sensorium.host import Pipeline, PluginHost
from sensorium.plugin import Batch, TopicPartition
from sensorium.runtime import LocalExecutor
from sensorium.testing import MemorySink, MemorySource

MakePipeline = Callable[..., Pipeline]
PAIRS = 60
#: What the estimate says of a pair of small floats.
PAIR_BYTES = 48


class PausingSource(MemorySource):
    """Gives a pair at a time, and nothing while its partitions are paused, as a log does."""

    paused: Collection[TopicPartition] = ()

    def pause(self, places: Collection[TopicPartition]) -> bool:
        self.paused = places
        return True

    def poll(self, limit: int, timeout: float) -> Batch:
        return Batch() if self.paused else super().poll(limit, timeout)


@pytest.mark.parametrize("limit", ["sets", "bytes"])
@pytest.mark.parametrize("kind", [MemorySource, PausingSource])
def test_reading_stops_at_the_limit_and_goes_on(
    kind: type[MemorySource],
    limit: str,
    host: PluginHost,
    make_pipeline: MakePipeline,
    kit: SimpleNamespace,
) -> None:
    gate = threading.Event()

    class Slow(kit.Number):
        gates: ClassVar[dict[float, threading.Event]] = {float(n): gate for n in range(PAIRS)}

    source = kind([Batch([kit.record(s, float(t), t) for s in "ab"]) for t in range(PAIRS)])
    local = LocalExecutor(
        limited(make_pipeline(Slow), **{limit: 12 * (PAIR_BYTES if limit == "bytes" else 1)}),
        host,
        source,
        sink := MemorySink(),
    )
    thread = threading.Thread(target=local.run)
    thread.start()
    try:
        wait_until(lambda: in_flight(local) == 12 * PAIR_BYTES)
        time.sleep(0.05)  # there is nothing to wait for where nothing must happen
        assert in_flight(local) == 12 * PAIR_BYTES
        assert sink.predictions == []
    finally:
        gate.set()
        thread.join(20)
    assert len(sink.predictions) == PAIRS
    assert in_flight(local) == 0


@pytest.mark.parametrize("limit", ["sets", "bytes"])
def test_a_limit_of_less_than_a_set_is_one_set_at_a_time(
    limit: str, host: PluginHost, make_pipeline: MakePipeline, kit: SimpleNamespace
) -> None:
    source = PausingSource([Batch([kit.record(s, float(t), t) for s in "ab"]) for t in range(9)])
    local = LocalExecutor(
        limited(make_pipeline(wait="1ms"), **{limit: 1}), host, source, sink := MemorySink()
    )
    thread = threading.Thread(target=local.run)
    thread.start()
    thread.join(20)
    finished = not thread.is_alive()
    local.stop(now=True)
    assert finished
    assert len(sink.predictions) == 9


def test_a_poll_takes_no_more_records_than_sets_may_be_in_flight(
    host: PluginHost, make_pipeline: MakePipeline, kit: SimpleNamespace
) -> None:
    asked: list[int] = []

    class Asked(MemorySource):
        def poll(self, limit: int, timeout: float) -> Batch:
            asked.append(limit)
            return super().poll(limit, timeout)

    records = [kit.record(s, float(t), t) for t in range(20) for s in "ab"]
    for sets, most in ((5, 5), (4096, 1024)):
        asked.clear()
        pipeline = limited(make_pipeline(), sets=sets)
        summary = LocalExecutor(pipeline, host, Asked(records), MemorySink()).run()
        assert summary.predictions == 20
        assert set(asked) == {most}


def limited(pipeline: Pipeline, **limits: int) -> Pipeline:
    """The pipeline with limits of what is in flight."""
    runtime = pipeline.config.runtime
    flight = runtime.in_flight.model_copy(update=limits)
    config = pipeline.config.model_copy(
        update={"runtime": runtime.model_copy(update={"in_flight": flight})}
    )
    return replace(pipeline, config=config)


def in_flight(local: LocalExecutor) -> int:
    """The gauge, in bytes."""
    [value] = [it.value for it in local.readings() if it.name == "sensorium_in_flight_bytes"]
    assert isinstance(value, int)
    return value


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, at most 20 s."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)
