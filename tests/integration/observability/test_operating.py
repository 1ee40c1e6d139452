"""What an operator sees when something is wrong: metrics, health, log and alerts tell one story,
and what the runbook says ends it. Real engine, real Prometheus, the shipped rules in a hurry."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_server import Prometheus, eventually

HANGING = '''
import os, time
import numpy as np
from pydantic import Field
from sensorium import (
    Features, FeatureSpec, Fusion, Modality, PluginConfig, TaskOutput, hookimpl,
)

class Hanging(Modality):
    """Encodes only while a file is there, as a model that needs a server which may be down."""
    name = "hanging"
    class Config(PluginConfig):
        needs: str = Field(description="The file.")
    feature = FeatureSpec(dim=1)
    def decode(self, payload): return payload.data
    def prepare(self, items): return {"x": np.ones((len(items), 1), np.float32)}
    def encode(self, arrays):
        while not os.path.exists(self.config.needs): time.sleep(0.01)
        return Features(arrays["x"])

class Even(Fusion):
    """Finds every label as likely as any other."""
    name = "even"
    def fuse(self, present, **features):
        rows = len(present["a"])
        return {"it": TaskOutput(scores=np.full((rows, 2), 0.5, np.float32))}

@hookimpl
def sensorium_modalities(): return [Hanging]
@hookimpl
def sensorium_fusions(): return [Even]
'''

PIPELINE = """\
pipeline: hangs
streams: {{a: {{modality: hanging, max_delay: 1s, config: {{needs: {needs}}}}}}}
align: {{policy: window, size: 100ms}}
fusion: {{plugin: even}}
tasks: {{it: {{type: classification, labels: [x, y]}}}}
"""


class Feeder:
    """Writes a record of each of its streams every tenth of a second, until it is closed."""

    def __init__(self, engine: Any, *streams: str) -> None:
        self.streams = set(streams)
        self.poisoned: set[str] = set()
        self._engine = engine
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._feed)

    def __enter__(self) -> Feeder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(20)

    def _feed(self) -> None:
        while not self._ended.wait(0.1):
            for stream in sorted(self.streams):
                self._engine.feed(stream, poison=stream in self.poisoned)


def firing(server: Prometheus) -> set[str]:
    """The alerts that fire now."""
    return {it["metric"]["alertname"] for it in server.query('ALERTS{alertstate="firing"}')}


def events(engine: Any) -> list[str]:
    return [it["event"] for it in engine.log() if "event" in it]


def test_a_stream_falls_silent(start: Any, watched: Any) -> None:
    engine = start("--set", "observe.silent_after=2s")
    server = watched(engine)
    with Feeder(engine, "accel", "gyro") as feeder:
        complete = "pipeline:sensorium_completeness:ratio10m"
        eventually(lambda: server.value(complete) == 1)
        assert firing(server) == set()

        feeder.streams = {"accel"}
        eventually(lambda: "SensoriumStreamSilent" in firing(server))
        [alert] = server.query('ALERTS{alertname="SensoriumStreamSilent"}')
        assert alert["metric"]["stream"] == "gyro"
        eventually(lambda: "stream_silent" in events(engine))
        # Predictions go on, from what is left.
        assert firing(server) <= {"SensoriumStreamSilent", "SensoriumCompletenessDropped"}
        eventually(lambda: (server.value(complete) or 1) < 0.6)
        # The deadline of two seconds is there before the proof, which takes max_delay, five.
        absent = 'rate(sensorium_set_absences_total{stream="gyro", reason="timeout"}[5s])'
        assert server.value(absent)
        assert engine.health("ready")["ready"]

        feeder.streams = {"accel", "gyro"}
        eventually(lambda: not firing(server))
        eventually(lambda: events(engine)[-1] == "stream_back")


def test_a_topic_is_full_of_poison(start: Any, watched: Any) -> None:
    engine = start()
    server = watched(engine)
    with Feeder(engine, "accel", "gyro") as feeder:
        eventually(lambda: server.value("sensorium_predictions_total"))
        assert firing(server) == set()

        feeder.poisoned = {"gyro"}
        told = {"SensoriumDeadLetters", "SensoriumPluginFailing", "SensoriumStreamSilent"}
        eventually(lambda: told <= firing(server))
        assert firing(server) <= {*told, "SensoriumCompletenessDropped"}
        [letters] = server.query("sum by (stage, stream) (sensorium_dead_letters_total) > 0")
        assert letters["metric"] == {"stage": "ingest", "stream": "gyro"}
        [errors] = server.query("sum by (plugin, hook) (sensorium_plugin_errors_total) > 0")
        assert errors["metric"] == {"plugin": "sensor-stats", "hook": "decode"}
        assert engine.health("ready")["ready"]

        feeder.poisoned = set()
        eventually(lambda: not firing(server))
    letters_logged = [it for it in engine.log() if it.get("event") == "dead_letter"]
    assert len(letters_logged) == 3  # and no more, however many there were
    assert letters_logged[0]["stream"] == "gyro"
    assert letters_logged[0]["origin"].startswith("-[0]@")
    assert "poison" not in json.dumps(engine.log())
    engine.process.send_signal(signal.SIGTERM)
    assert engine.process.wait(20) == 0
    summed = [it for it in engine.log() if "repeated" in it]
    assert summed[0]["repeated"] > 10
    assert events(engine).count("stopped") == 1


@pytest.fixture
def hanging(tmp_path: Path, install: Callable[[str, str], None]) -> tuple[Path, Path]:
    """A pipeline whose model hangs while a file is not there, and that file."""
    install("hanging", HANGING)
    needs, pipeline = tmp_path / "needed", tmp_path / "hangs.yaml"
    needs.touch()
    pipeline.write_text(PIPELINE.format(needs=needs))
    return pipeline, needs


def test_a_model_hangs(start: Any, watched: Any, hanging: tuple[Path, Path]) -> None:
    pipeline, needs = hanging
    engine = start("--set", "observe.stall_after=1s", pipeline=pipeline)
    server = watched(engine)
    with Feeder(engine, "a"):
        eventually(lambda: server.value("sensorium_predictions_total"))
        assert firing(server) == set()

        needs.unlink()
        told = {"SensoriumModelUnavailable", "SensoriumNotReady"}
        eventually(lambda: told <= firing(server))
        assert firing(server) <= {*told, "SensoriumNoPredictions"}
        ready = engine.health("ready")
        assert not ready["ready"]
        [reason] = ready["reasons"]
        assert reason.startswith("the models have given nothing back for ")
        assert engine.health("live")["live"]
        assert server.value("sensorium_sets_in_flight") > 0
        assert "not_ready" in events(engine)

        needs.touch()  # what the model needs is there again
        eventually(lambda: not firing(server))
        assert engine.health("ready")["ready"]
