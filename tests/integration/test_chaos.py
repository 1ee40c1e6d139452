"""Engines die, freeze and change while they read a real Apache Kafka: what comes out is the same.

The undisturbed run is the recording of the same topics, replayed through the local executor.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chaos import Engines, Outcome
from kafka_records import SECOND, chunk, read, send

from sensorium.cli import main

FAULTS = 250 if os.environ.get("SENSORIUM_SOAK") == "1" else 8
SECONDS_BETWEEN = 2.5
LIMITS = {"max_delay": "4s", "max_future": "2s", "max_duration": "1s"}
POLICIES: dict[str, dict[str, Any]] = {
    "window": {"policy": "window", "size": "1s", "require": "any", "deadline": "1s"},
    "nearest": {
        "policy": "nearest", "primary": "accel", "before": "150ms", "after": "150ms",
        "require": "any", "deadline": "1s",
    },
}  # fmt: skip
KEYS = [f"p{n}" for n in range(9)]


class Producer:
    """Sends chunks of both streams as time goes by, some late, some broken, some twice."""

    def __init__(self, broker: str, topics: list[str], seed: int) -> None:
        self._broker = broker
        self._topics = topics
        self._rng = random.Random(seed)
        self._stopping = threading.Event()
        self.poison = 0
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """End; gives the time of the last event, in ns."""
        self._stopping.set()
        self._thread.join(60)
        return time.time_ns()

    def _send(self) -> None:
        while not self._stopping.wait(0.2):
            for topic in self._topics:
                send(self._broker, topic, [self._record() for _ in KEYS])

    def _record(self) -> dict[str, Any]:
        if self._rng.random() < 0.02:
            self.poison += 1
            return {"key": self._rng.choice(KEYS).encode(), "value": b"\x82\xa1broken"}
        delay = self._rng.choice([0, 0, 0, SECOND // 5, SECOND, 5 * SECOND])
        return chunk(self._rng.choice(KEYS), time.time_ns() - delay)


@pytest.fixture
def engines() -> Iterator[Callable[..., Engines]]:
    """Engines that are ended with the test."""
    made: list[Engines] = []

    def make(*arguments: Any) -> Engines:
        made.append(Engines(*arguments))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.mark.timeout(3600 if FAULTS > 100 else 300)
@pytest.mark.parametrize(
    ("delivery", "policy"), [("at_least_once", "nearest"), ("exactly_once", "window")]
)
def test_faults_lose_repeat_and_change_nothing(
    broker: str,
    pipeline_file: Callable[..., Path],
    engines: Callable[..., Engines],
    delivery: str,
    policy: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = {"modality": "sensor-stats", "config": {"channels": 3, "rate": 50}, **LIMITS}
    draft = json.loads(pipeline_file().read_text())
    streams = {name: {**stream, "topic": it["topic"]} for name, it in draft["streams"].items()}
    path = pipeline_file(
        pipeline=draft["pipeline"],
        source={**draft["source"], "group": draft["pipeline"], "session_timeout": "3s"},
        streams=streams,
        sink={**draft["sink"], "transaction_timeout": "3s"},
        align=POLICIES[policy],
        delivery=delivery,
    )
    assert main(["topics", "create", str(path), "--partitions", "3", "--outage", "1h"]) == 0
    rng = random.Random(7)
    producer = Producer(broker, [it["topic"] for it in streams.values()], 7)
    members = engines(path, rng, 5.0)
    members.start()
    members.start()
    faults, next_fault = 0, time.monotonic() + 10
    while faults < FAULTS:
        time.sleep(0.1)
        members.tend()
        if time.monotonic() >= next_fault:
            members.hurt()
            faults += 1
            next_fault = time.monotonic() + rng.uniform(0.5, 2 * SECONDS_BETWEEN)
    last = producer.stop()
    members.calm()

    recording, replayed = tmp_path / "all.mcap", tmp_path / "replayed.jsonl"
    assert main(["record", str(path), "-o", str(recording), "--until-end"]) == 0
    replay = ["run", str(path), "--data", str(recording), "--sink", str(replayed)]
    assert main(replay) == 0
    lines = [json.loads(line) for line in replayed.read_text().splitlines()]
    # The end of a recording closes its streams; live, silence closes them, and all sets are due.
    expected = {one["id"]: one for one in lines if "id" in one and one["time"] < last - 3 * SECOND}
    found = _settled(broker, draft["sink"]["topic"], expected, last, members)
    outcome = Outcome.of(found, expected)
    print(f"{faults} faults survived {dict(members.faults)}: {outcome}")
    assert len(expected) > 100
    assert (outcome.lost, outcome.wrong, outcome.extra) == (0, 0, 0)
    if delivery == "exactly_once":
        assert outcome.repeated == 0
    letters = read(broker, draft["sink"]["dead_letters"], producer.poison)
    places = [dict(it.headers)["sensorium-offset"] + dict(it.headers)["sensorium-topic"]
              + dict(it.headers)["sensorium-partition"] for it in letters]  # fmt: skip
    assert len(set(places)) == producer.poison


def _settled(
    broker: str, topic: str, expected: dict[str, Any], last: int, members: Engines
) -> list[dict[str, Any]]:
    """The predictions of sets up to a while before `last`, once all expected ones are there."""
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        topic, bootstrap_servers=broker, auto_offset_reset="earliest", enable_auto_commit=False,
        isolation_level="read_committed",
    )  # fmt: skip
    found: list[dict[str, Any]] = []
    end = time.monotonic() + 90
    quiet = time.monotonic()
    while time.monotonic() < end and not (
        expected.keys() <= {it["id"] for it in found} and time.monotonic() - quiet > 5
    ):
        members.tend()
        fresh = [json.loads(it.value) for those in consumer.poll(200).values() for it in those]
        if fresh:
            quiet = time.monotonic()
            found += fresh
    consumer.close()
    return [one for one in found if int(one["time"]) < last - 3 * SECOND]
