"""``encode: eager``: the same predictions, and told what was in vain."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from sensorium.errors import RunError
from sensorium.host import Pipeline, PluginHost
from sensorium.plugin import Batch
from sensorium.runtime import LocalExecutor
from sensorium.testing import MemorySink, MemorySource

MakePipeline = Callable[..., Pipeline]


@pytest.fixture
def eager(make_pipeline: MakePipeline, kit: SimpleNamespace) -> Callable[..., Pipeline]:
    """The stream `a` is eager; both are encoded per event."""

    def make(how: str = "eager", modality: Any = None, **stream: Any) -> Pipeline:
        class PerEvent(modality or kit.Number):
            per = "event"

        pipeline = make_pipeline(PerEvent)
        config = pipeline.config
        streams = dict(config.streams)
        streams["a"] = streams["a"].model_copy(update={"encode": how, **stream})
        return replace(pipeline, config=config.model_copy(update={"streams": streams}))

    return make


def ran(pipeline: Pipeline, host: PluginHost, source: MemorySource) -> Any:
    sink = MemorySink()
    executor = LocalExecutor(pipeline, host, source, sink)
    return executor.run(), sink, executor


def test_the_predictions_are_the_same(
    eager: Callable[..., Pipeline], host: PluginHost, kit: SimpleNamespace
) -> None:
    records = [kit.record(s, float(t % 7), t) for t in range(300) for s in "ab"]
    records[20] = kit.record("a", -2.0, 10)
    plain, settled, _ = ran(eager("settled"), host, MemorySource(records))
    told, ahead, executor = ran(eager(), host, MemorySource(records))
    assert ahead.predictions == settled.predictions
    assert [it.message for it in ahead.dead_letters] == [it.message for it in settled.dead_letters]
    assert plain.ahead == {}
    assert told.fates == plain.fates
    counts = told.ahead["a"]
    assert set(told.ahead) == {"a"}
    assert counts["encoded"] == counts["used"] + counts["wasted"]
    readings = [it for it in executor.readings() if it.name == "sensorium_events_ahead_total"]
    assert {it.labels: it.value for it in readings} == {
        ("a", outcome): count for outcome, count in counts.items()
    }


def test_events_are_encoded_before_their_sets_settle(
    eager: Callable[..., Pipeline], host: PluginHost, kit: SimpleNamespace
) -> None:
    encoded = threading.Event()

    class Told(kit.Number):  # type: ignore[name-defined, misc]
        def encode(self, arrays: Any) -> Any:
            encoded.set()
            return super().encode(arrays)

    class Waiting(MemorySource):
        """Gives the second event, which settles the first, when that has been encoded."""

        def poll(self, limit: int, timeout: float) -> Batch:
            if self.left == 1:
                assert encoded.wait(30)
            return super().poll(limit, timeout)

    records = [Batch([kit.record("a", 1.0, 1)]), Batch([kit.record("b", 1.0, 1)])]
    summary, sink, _ = ran(eager(modality=Told), host, Waiting(records))
    assert summary.ahead["a"] == {"encoded": 1, "used": 1, "wasted": 0, "skipped": 0}
    assert dict(summary.rows)["a encoded ahead"] == "1"
    assert dict(summary.rows)["a in vain"] == "0"
    assert len(sink.predictions) == 1


def test_a_model_that_stops_the_pipeline_stops_it(
    eager: Callable[..., Pipeline], host: PluginHost, kit: SimpleNamespace
) -> None:
    class Broken(kit.Number):  # type: ignore[name-defined, misc]
        def encode(self, arrays: Any) -> Any:
            raise ValueError("out of order")

    class Endless(MemorySource):
        def poll(self, limit: int, timeout: float) -> Batch:
            self.time = getattr(self, "time", 0) + 1
            return Batch([kit.record("a", 1.0, self.time)])

    with pytest.raises(RunError, match=r"streams\.a: .* it fails again and again"):
        ran(eager(modality=Broken, on_failure="stop"), host, Endless([]))
