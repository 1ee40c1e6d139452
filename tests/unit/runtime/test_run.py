"""`run_pipeline`: which source, sink and weights a run has."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sensorium.errors import ConfigError
from sensorium.host import ObserveConfig, Pipeline, PluginHost, write_checkpoint
from sensorium.plugin import Batch, PluginConfig
from sensorium.runtime import load_models, run_pipeline
from sensorium.testing import MemorySink, MemorySource

MakePipeline = Callable[..., Pipeline]


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.jsonl"
    path.write_text("1 2 3")
    return path


def test_a_file_is_run_through_the_pipeline_into_a_file(
    make_pipeline: MakePipeline, host: PluginHost, numbers: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    summary = run_pipeline(make_pipeline(), host, data=numbers, sink=str(out))
    assert summary.predictions == 3
    assert out.read_text() == "(2.0,)\n(4.0,)\n(6.0,)\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sink": "-"}, "source: there is no source: add one to the pipeline file or give"),
        ({"data": "numbers"}, "sink: there is no sink: add one to the pipeline file or give"),
        ({"data": Path("x.csv")}, "cannot tell what x.csv is from its name; known are .jsonl"),
        ({"data": "numbers", "speed": "1"}, "has no log times to replay at a speed"),
        ({"data": Path("x.mcap"), "speed": "fast"}, "the speed 'fast' is neither `max` nor a"),
        ({"speed": "1"}, "a speed is for a recording"),
        ({"data": Path("-"), "executor": "serve"}, "standard input is read by the executor local"),
        ({"address": "auto"}, "an address is that of a Ray: add `--executor serve`"),
    ],
)
def test_what_is_missing_or_wrong_is_told(
    make_pipeline: MakePipeline,
    host: PluginHost,
    numbers: Path,
    options: dict[str, Any],
    message: str,
) -> None:
    if options.get("data") == "numbers":
        options = {**options, "data": numbers}
    with pytest.raises(ConfigError) as caught:
        run_pipeline(make_pipeline(), host, **options)
    assert message in str(caught.value)


def test_a_plugin_without_its_weights_says_how_to_train(
    make_pipeline: MakePipeline, host: PluginHost, kit: SimpleNamespace, numbers: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        run_pipeline(make_pipeline(kit.Trained), host, data=numbers, sink="-")
    assert str(caught.value) == (
        "checkpoint: trained has to be trained, and there is no checkpoint: run `sensorium fit "
        "PIPELINE --data RECORDING -o adding.safetensors` and set `checkpoint: adding.safetensors`"
    )


def test_weights_come_out_of_the_checkpoint_by_their_prefix(
    make_pipeline: MakePipeline, kit: SimpleNamespace, tmp_path: Path
) -> None:
    path = tmp_path / "adding.safetensors"
    weights = {f"streams.{name}.scale": np.full(1, n, np.float32) for n, name in enumerate("ab")}
    write_checkpoint(path, weights, {"pipeline": "adding"})
    models = load_models(make_pipeline(kit.Trained, checkpoint=path))
    assert [float(models.modalities[name].scale[0]) for name in "ab"] == [0.0, 1.0]
    assert models.digest


def test_the_first_signal_drains_and_handlers_are_put_back(
    make_pipeline: MakePipeline, host: PluginHost, kit: SimpleNamespace
) -> None:
    sinks: list[MemorySink] = []

    class Endless(MemorySource):
        def __init__(self, config: Any, topics: Any) -> None:
            super().__init__([kit.record(s, 1.0, 1) for s in "ab"], ends=False)

        def poll(self, limit: int, timeout: float) -> Batch:
            batch = super().poll(limit, timeout)
            if not batch.records:
                signal.raise_signal(signal.SIGTERM)
            return batch

    class Kept(MemorySink):
        def __init__(self, config: Any) -> None:
            super().__init__()
            sinks.append(self)

    before = signal.getsignal(signal.SIGTERM)
    pipeline = replace(
        make_pipeline(),
        source=Endless,
        source_config=PluginConfig(),
        sink=Kept,
        sink_config=PluginConfig(),
    )
    summary = run_pipeline(pipeline, host)
    assert summary.stopped
    assert len(sinks[0].predictions) == 1
    assert signal.getsignal(signal.SIGTERM) is before


_STUCK = """
import signal
from sensorium.runtime import stop_on_signals

class Stuck:
    def stop(self, *, now=False):
        print("stop", now, flush=True)

with stop_on_signals(Stuck()):
    for _ in range(3):
        signal.raise_signal(signal.SIGTERM)
    print("still here", flush=True)
"""


def test_a_third_signal_ends_what_does_not_notice_two() -> None:
    command = [sys.executable, "-c", _STUCK]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout.splitlines() == ["stop False", "stop True"]
    assert ended.returncode == -signal.SIGTERM


_SLOW = """
import signal, time
from sensorium.runtime import stop_on_signals

class Stuck:
    def stop(self, *, now=False):
        print("stop", now, flush=True)

with stop_on_signals(Stuck(), at_once=0.2):
    for _ in range(2):
        signal.raise_signal(signal.SIGTERM)
    time.sleep(60)
print("still here", flush=True)
"""


def test_a_second_signal_ends_what_does_not_end_at_once() -> None:
    command = [sys.executable, "-c", _SLOW]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.stdout.splitlines() == ["stop False", "stop True"]
    assert "the process is ended" in ended.stderr
    assert ended.returncode == -signal.SIGTERM


def test_what_ends_at_once_after_a_second_signal_goes_on() -> None:
    code = _SLOW.replace("time.sleep(60)", "pass").replace(
        'print("still', 'time.sleep(1); print("still'
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.stdout.splitlines()[-1] == "still here"
    assert ended.returncode == 0


@pytest.fixture
def observe() -> ObserveConfig:
    """A place to serve metrics at that nobody else has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return ObserveConfig(port=one.getsockname()[1])


def test_metrics_are_served_while_it_runs(
    make_pipeline: MakePipeline,
    host: PluginHost,
    numbers: Path,
    tmp_path: Path,
    observe: ObserveConfig,
) -> None:
    answers: list[str] = []

    def ask(*_: Any) -> None:
        address = f"http://{observe.bind}:{observe.port}"
        for path in ("/health/live", "/metrics"):
            with urllib.request.urlopen(address + path, timeout=10) as answer:
                answers.append(answer.read().decode())

    options: dict[str, Any] = {"data": numbers, "sink": str(tmp_path / "out.jsonl")}
    run_pipeline(make_pipeline(), host, observe=observe, on_predictions=ask, **options)
    assert json.loads(answers[0]) == {"pipeline": "adding", "live": True, "reasons": []}
    assert 'sensorium_records_total{outcome="event",pipeline="adding",stream="a"} 3.0' in answers[1]
    assert 'executor="local"' in answers[1]


def test_a_port_that_is_taken_is_found_before_anything_else_is_done(
    make_pipeline: MakePipeline, host: PluginHost, tmp_path: Path, observe: ObserveConfig
) -> None:
    pipeline = make_pipeline(checkpoint=tmp_path / "none.safetensors")
    taken = pytest.raises(ConfigError, match=r"observe\.port: cannot serve .* already in use")
    with socket.create_server((observe.bind, observe.port)), taken:
        run_pipeline(pipeline, host, data=tmp_path / "none.jsonl", sink="-", observe=observe)
