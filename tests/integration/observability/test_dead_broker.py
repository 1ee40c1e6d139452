"""What an operator sees when the broker stops answering: metrics, health, log and alerts tell one
story, and nothing is to be done to the engine. Real broker, real engine, real Prometheus."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from kafka_broker import OwnBroker
from kafka_records import chunk, make_topics, send
from prometheus_server import Prometheus, eventually


@pytest.fixture
def broker(own: OwnBroker) -> str:
    """Its address; what asks for a broker here gets this one."""
    return own.addresses["PLAINTEXT"]


#: The shorter one is over before the broker goes on, which then knows the member no more.
SESSION = {"kept": "60s", "lost": "2s"}


class Feeder:
    """Sends a chunk of each stream every tenth of a second while it is told to."""

    def __init__(self, address: str, topics: Sequence[str]) -> None:
        self._address = address
        self._topics = topics
        self._on, self._ended = threading.Event(), threading.Event()
        self._on.set()
        self._idle = threading.Event()
        self._thread = threading.Thread(target=self._feed)

    def __enter__(self) -> Feeder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._on.set()
        self._thread.join(30)

    def stop(self) -> None:
        """Send nothing until `go`; when this returns, nothing is on its way."""
        self._idle.clear()
        self._on.clear()
        assert self._idle.wait(30)

    def go(self) -> None:
        self._on.set()

    def _feed(self) -> None:
        while not self._ended.wait(0.1):
            if not self._on.is_set():
                self._idle.set()
                self._on.wait()
                continue
            for topic in self._topics:
                send(self._address, topic, [chunk("wrist", time.time_ns())])


def firing(server: Prometheus) -> set[str]:
    """The alerts that fire now."""
    return {it["metric"]["alertname"] for it in server.query('ALERTS{alertstate="firing"}')}


@pytest.mark.parametrize("membership", ["kept", "lost"])
def test_a_broker_that_does_not_answer(
    start: Any,
    watched: Any,
    own: OwnBroker,
    broker: str,
    pipeline_file: Callable[..., Path],
    membership: str,
) -> None:
    pipeline = pipeline_file(
        delivery="at_least_once",
        runtime={"commit_interval": "200ms"},
        observe={"stall_after": "2s"},
    )
    fields = json.loads(pipeline.read_text())
    fields["source"] |= {
        "group": "watch",
        "session_timeout": SESSION[membership],
        "margin": "100ms",
    }
    topics = [stream["topic"] for stream in fields["streams"].values()]
    for stream in fields["streams"].values():
        stream["max_delay"] = "1s"
    pipeline.write_text(json.dumps(fields))
    make_topics(broker, [*topics, fields["sink"]["topic"], fields["sink"]["dead_letters"]])
    engine = start(pipeline=pipeline, source=None)
    server = watched(engine)
    with Feeder(broker, topics) as feeder:
        eventually(lambda: server.value("sensorium_predictions_total"))
        eventually(lambda: server.value('sensorium_commits_total{outcome="done"}'))
        assert server.value("sensorium_commit_seconds_count")
        assert engine.health("ready")["ready"]
        assert firing(server) == set()

        feeder.stop()
        before = Counter(line.get("event") for line in engine.log())
        own.pause()
        try:
            eventually(lambda: "SensoriumNotReady" in firing(server))
            ready = engine.health("ready")
            assert not ready["ready"]
            assert all("has not answered for" in it for it in ready["reasons"]), ready
            # The process is well: a restart would only cost time.
            assert engine.health("live")["live"]
            assert server.value("sensorium_live") == 1
            assert server.value("sensorium_ready") == 0
            told = [line for line in engine.log() if line.get("event") == "not_ready"]
            assert all("has not answered for" in line["message"] for line in told)
            assert told
            assert firing(server) <= {
                "SensoriumNotReady",
                "SensoriumNoPredictions",
                "SensoriumCommitsFailing",
                "SensoriumProgressStalled",
            }
        finally:
            own.resume()

        feeder.go()
        eventually(lambda: engine.health("ready")["ready"])
        predicted = server.value("sensorium_predictions_total") or 0
        eventually(lambda: (server.value("sensorium_predictions_total") or 0) > predicted)
        eventually(lambda: not firing(server))
        # The log's watch looks once a second: the alert may have ended before it did.
        eventually(lambda: "ready_again" in [line.get("event") for line in engine.log()])
        # Told, and not in a flood: of each kind, three lines a minute. The client tries again every
        # few milliseconds, and has a dozen kinds of line for that.
        told_since = Counter(line.get("event") for line in engine.log()) - before
        assert sum(told_since.values()) < 100, told_since
        assert engine.process.poll() is None
