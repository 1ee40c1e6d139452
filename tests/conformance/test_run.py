"""`sensorium.testing.run`, the clock and the lists."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium.errors import PayloadError, PluginError
from sensorium.plugin import Batch, Record, TopicPartition
from sensorium.testing import Clock, MemorySource, run

MODULE = """
    import os
    import numpy as np
    from sensorium.errors import PayloadError
    from sensorium.plugin import Features, FeatureSpec, Modality, PluginConfig


    class Config(PluginConfig):
        factor: float = 1.0


    class Shipped(Modality):
        name = "shipped"
        Config = Config

        def decode(self, payload):
            if not isinstance(payload.data, float):
                raise PayloadError("expected a number")
            return payload.data

        def prepare(self, items):
            return {
                "x": np.array([item.values[0] for item in items], np.float32),
                "process": np.full(len(items), os.getpid()),
            }

        @property
        def feature(self):
            return FeatureSpec(2)

        def load(self, device, weights):
            self.bias = np.float32(0) if weights is None else weights["bias"][0]

        def encode(self, arrays):
            if (arrays["x"] == -1).any():
                raise RuntimeError("cannot encode -1")
            scaled = arrays["x"] * np.float32(self.config.factor) + self.bias
            moved = arrays["process"] != os.getpid()
            return Features(np.stack([scaled, moved], axis=1).astype(np.float32))
"""


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "shipped_plugin.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(tmp_path)
    import shipped_plugin

    return shipped_plugin.Shipped


def test_a_modality_is_encoded_in_another_process(shipped: Any) -> None:
    weights = {"bias": np.array([0.5], np.float32)}
    features = run(shipped, [1.0, 2.0], {"factor": 3.0}, weights=weights)
    assert features.data.tolist() == [[3.5, 1], [6.5, 1]]


def test_a_payload_that_is_refused_is_refused_here(shipped: Any) -> None:
    with pytest.raises(PayloadError, match="expected a number"):
        run(shipped, ["x"])


def test_an_item_that_fails_there_is_named_here(shipped: Any) -> None:
    with pytest.raises(PluginError, match=r"1 items failed: item 1: shipped.encode raised Runtime"):
        run(shipped, [1.0, -1.0])


def test_a_clock_goes_when_it_is_turned() -> None:
    clock = Clock(5)
    assert clock() == clock() == 5
    assert clock.advance("1us") == clock() == 1005
    with pytest.raises(ValueError, match="cannot be advanced by '-1s'"):
        clock.advance("-1s")


def test_a_memory_source_gives_records_up_to_the_limit_and_batches_whole() -> None:
    records = [Record("t", 2, offset, b"") for offset in range(3)]
    batch = Batch([], {TopicPartition("u", 0): 9})
    source = MemorySource([*records, batch])
    assert source.topics == ["t", "u"]
    assert source.partitions() == [0, 2]
    polls = [source.poll(2, 0) for _ in range(3)]
    assert [len(poll.records) for poll in polls] == [2, 1, 0]
    assert polls[2].progress == batch.progress
    assert [poll.ended for poll in polls] == [False, False, True]
