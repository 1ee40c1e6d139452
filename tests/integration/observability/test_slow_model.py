"""What an operator sees when a model is slower than what comes in: the lag grows and says so, and
nothing else is wrong. Real broker, real engine, real Prometheus, the shipped rules in a hurry."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from kafka_records import make_topics
from prometheus_server import Prometheus, eventually

from sensorium.plugin import Payload
from sensorium.wire import Envelope, write_envelope

SLOW = '''
import time
from pathlib import Path
import numpy as np
from pydantic import Field
from sensorium import (
    Features, FeatureSpec, Fusion, Modality, PluginConfig, TaskOutput, hookimpl,
)

class Slow(Modality):
    """Takes as many seconds for an item as a file says."""
    name = "slow"
    class Config(PluginConfig):
        seconds: str = Field(description="The file.")
    feature = FeatureSpec(dim=1)
    def decode(self, payload): return payload.data
    def prepare(self, items): return {"x": np.ones((len(items), 1), np.float32)}
    def encode(self, arrays):
        time.sleep(float(Path(self.config.seconds).read_text()) * len(arrays["x"]))
        return Features(arrays["x"])

class Even(Fusion):
    """Finds every label as likely as any other."""
    name = "even"
    def fuse(self, present, **features):
        rows = len(present["a"])
        return {"it": TaskOutput(scores=np.full((rows, 2), 0.5, np.float32))}

@hookimpl
def sensorium_modalities(): return [Slow]
@hookimpl
def sensorium_fusions(): return [Even]
'''

#: At most so many sets are in flight, so that back-pressure is there within a second.
IN_FLIGHT = 4


class Feeder:
    """Sends a record every twentieth of a second, and counts them."""

    def __init__(self, address: str, topic: str) -> None:
        self.sent = 0
        self._address = address
        self._topic = topic
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._feed)

    def __enter__(self) -> Feeder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send nothing more."""
        self._ended.set()
        self._thread.join(30)

    def _feed(self) -> None:
        from kafka import KafkaProducer

        producer = KafkaProducer(bootstrap_servers=self._address)
        while not self._ended.wait(0.05):
            event = Envelope(None, "k", time.time_ns(), Payload(1.0))
            producer.send(self._topic, key=b"k", value=write_envelope(event)).get(timeout=10)
            self.sent += 1
        producer.close()


def firing(server: Prometheus) -> set[str]:
    """The alerts that fire now."""
    return {it["metric"]["alertname"] for it in server.query('ALERTS{alertstate="firing"}')}


def test_a_model_is_too_slow(
    start: Any,
    watched: Any,
    broker: str,
    tmp_path: Path,
    install: Callable[[str, str], None],
) -> None:
    install("slow", SLOW)
    seconds = tmp_path / "seconds"
    seconds.write_text("0")
    name = f"slow-{time.time_ns()}"
    kafka = {"plugin": "kafka", "bootstrap_servers": broker}
    pipeline = tmp_path / "slow.yaml"
    fields = {
        "pipeline": name,
        # The model is slow for much longer than this, and one call takes three times as long: if it
        # kept the engine from polling, the partition would be lost.
        "source": {
            **kafka,
            "group": name,
            "start": "earliest",
            "session_timeout": "3s",
            "max_poll_interval": "3s",
        },
        "streams": {
            "a": {
                "modality": "slow",
                "topic": f"{name}.a",
                "max_delay": "1s",
                "config": {"seconds": str(seconds)},
            }
        },
        "align": {"policy": "window", "size": "100ms"},
        "fusion": {"plugin": "even"},
        "tasks": {"it": {"type": "classification", "labels": ["x", "y"]}},
        "sink": {**kafka, "topic": f"{name}.out", "dead_letters": f"{name}.dead"},
        "delivery": "at_least_once",
        "runtime": {
            "batch": {"size": 2, "wait": "10ms"},
            "in_flight": {"sets": IN_FLIGHT},
            "commit_interval": "200ms",
        },
    }
    pipeline.write_text(yaml.safe_dump(fields))
    make_topics(broker, [f"{name}.{it}" for it in ("a", "out", "dead")])
    engine = start(pipeline=pipeline, source=None)
    server = watched(engine)
    with Feeder(broker, f"{name}.a") as feeder:
        eventually(lambda: server.value("sensorium_predictions_total"))
        assert firing(server) == set()
        # A group may share out again when it has only now learned of a topic that is new.
        rebalances = server.value("sensorium_rebalances_total")

        # Half of what comes in. Not slower: five minutes in a rule are two and a half seconds here,
        # and something has to be read in any of them.
        seconds.write_text("0.2")
        eventually(lambda: "SensoriumLagGrowing" in firing(server))
        assert firing(server) == {"SensoriumLagGrowing"}
        assert server.value("sensorium_lag_records") > 0
        # What the runbook asks for: the models are at their limit, and reading waits for them.
        assert server.value("max_over_time(sensorium_sets_in_flight[5s])") >= IN_FLIGHT - 1
        assert server.value("max_over_time(sensorium_paused_partitions[5s])") == 1
        # The engine is well, and no restart would help.
        assert engine.health("ready")["ready"]
        assert engine.health("live")["live"]
        # So that memory stays as it is: what waits, waits in the log.
        assert server.value("max_over_time(sensorium_events_pending[1m])") < 100

        seconds.write_text("5")  # for each of two
        eventually(lambda: server.value("sensorium_models_silent_seconds") > 9)

        seconds.write_text("0")  # a faster model
        eventually(lambda: not firing(server))
        feeder.stop()
    eventually(lambda: server.value("sensorium_lag_records") == 0)
    read = 'sensorium_records_total{outcome="event"}'
    eventually(lambda: server.value(read) == feeder.sent)
    assert not server.value('sensorium_event_fates_total{fate="late"}')
    assert server.value("sensorium_rebalances_total") == rebalances, engine.log()
    assert server.value("sensorium_partitions_assigned") == 1
