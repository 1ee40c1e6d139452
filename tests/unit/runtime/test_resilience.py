"""What is done about a model that fails as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sensorium.errors import RunError, UnavailableError
from sensorium.host import Pipeline, PluginHost
from sensorium.plugin import Features, FeatureSpec, Modality, PluginConfig
from sensorium.runtime import LocalExecutor
from sensorium.runtime._resilience import Breaker, ResilientStream
from sensorium.stages import StreamEncoder
from sensorium.testing import MemorySink, MemorySource

ITEMS: Mapping[str, Any] = {"x": np.arange(4.0)}


class Moody(Modality):
    """Fails for as long as it is told to."""

    name = "moody"
    feature = FeatureSpec(1, dtype="float64")  # type: ignore[assignment]

    def __init__(self, error: Exception, times: float) -> None:
        super().__init__(PluginConfig())
        self.error = error
        self.times = times
        self.calls = 0

    def decode(self, payload: Any) -> Any:
        return payload.data

    def prepare(self, items: Any) -> Any:
        raise NotImplementedError

    def encode(self, arrays: Any) -> Features:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return Features(arrays["x"][:, None])


def stream(
    modality: Moody, *, failures: int = 2, retries: int = 2, stop: bool = False
) -> tuple[ResilientStream, list[float]]:
    clock = [0.0]
    breaker = Breaker(failures, 30.0, timer=lambda: clock[0])
    inner = StreamEncoder(modality)
    resilient = ResilientStream(inner, "s", breaker, retries, stop=stop, pause=lambda _: None)
    return resilient, clock


def test_what_may_pass_is_asked_again() -> None:
    encoder, _ = stream(Moody(UnavailableError("not now"), times=2))
    assert encoder.encode(ITEMS).rows.tolist() == [0, 1, 2, 3]
    assert encoder.retried == 2


def test_what_does_not_pass_in_time_fails_with_its_reason() -> None:
    modality = Moody(UnavailableError("not now"), times=9)
    encoder, _ = stream(modality)
    result = encoder.encode(ITEMS)
    assert len(result.rows) == 0
    assert {it.message for it in result.failures} == {"moody.encode: not now"}
    assert modality.calls == 3


def test_what_cannot_pass_is_not_asked_again() -> None:
    encoder, _ = stream(Moody(ValueError("never"), times=float("inf")))
    encoder.encode(ITEMS)
    assert encoder.retried == 0


def test_one_item_at_fault_opens_nothing() -> None:
    class Picky(Moody):
        def encode(self, arrays: Any) -> Features:
            if (arrays["x"] == 2).any():
                raise ValueError("two")
            return Features(arrays["x"][:, None])

    encoder, _ = stream(Picky(ValueError(), 0), failures=1)
    for _ in range(3):
        assert encoder.encode(ITEMS).rows.tolist() == [0, 1, 3]
    assert not encoder.breaker.open


def test_a_broken_model_is_spared_and_asked_again_once_in_a_while() -> None:
    modality = Moody(ValueError("out of order"), times=float("inf"))
    encoder, clock = stream(modality, failures=2)
    told = [[it.told for it in encoder.encode(ITEMS).failures] for _ in range(2)]
    assert told == [[False] * 4] * 2
    calls = modality.calls
    spared = encoder.encode(ITEMS)
    assert [it.error for it in spared.failures] == ["CircuitOpen"] * 4
    assert all(it.told for it in spared.failures)
    assert modality.calls == calls

    clock[0] = 31.0
    asked = encoder.encode(ITEMS)
    assert [it.told for it in asked.failures] == [False, True, True, True]
    assert "out of order" in asked.failures[0].message
    calls = modality.calls
    encoder.encode(ITEMS)
    assert modality.calls == calls

    modality.times = 0
    clock[0] = 62.0
    assert encoder.encode(ITEMS).rows.tolist() == [0, 1, 2, 3]
    assert not encoder.breaker.open


def test_a_pipeline_may_rather_stop() -> None:
    encoder, _ = stream(Moody(ValueError("out of order"), float("inf")), failures=2, stop=True)
    encoder.encode(ITEMS)
    with pytest.raises(RunError, match=r"streams\.s: moody\.encode raised .*on_failure: stop"):
        encoder.encode(ITEMS)


def test_a_broken_modality_makes_its_stream_absent(
    make_pipeline: Callable[..., Pipeline], host: PluginHost, kit: SimpleNamespace
) -> None:
    """The whole line: -2 cannot be encoded, by either stream; the sets go on without them."""
    pipeline = make_pipeline(size=1)
    records = [kit.record(s, n, i) for i, n in enumerate([-2.0] * 30) for s in "ab"]
    sink = MemorySink()
    summary = LocalExecutor(pipeline, host, MemorySource(records), sink).run()
    assert summary.predictions == 30
    assert summary.absences == {"a": {"failed": 30}, "b": {"failed": 30}}
    # Ten calls a stream until the breaker opens, and one that was under way on the other thread.
    assert 20 <= summary.dead_letters <= 22
