"""Broken, truncated and malicious records between good ones: every good one is predicted, and each
other is a dead letter with its bytes and its place. In the long form the memory stays flat, too."""

from __future__ import annotations

import json
import os
import random
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from kafka_records import SECOND, chunk, read, send
from kafka_runs import executor_of

from sensorium.hookspecs import hookimpl
from sensorium.plugin import Payload
from sensorium.wire import Envelope, write_envelope

SOAK = os.environ.get("SENSORIUM_SOAK") == "1"
BAD = 100_000 if SOAK else 4_000
#: How many good records there are for a bad one.
GOOD_EACH = 0.25
PARTITIONS = 3


def envelope(data: Any, **more: Any) -> bytes:
    fields = {"key": "k", "time": time.time_ns(), **more}
    return write_envelope(Envelope(None, fields["key"], fields["time"], Payload(data)))


def hostile(rng: random.Random, good: bytes) -> bytes | None:
    """Something that no pipeline of sensors should take."""
    kind = rng.randrange(12)
    if kind == 0:
        return good[: rng.randrange(len(good))]  # cut short
    if kind == 1:
        return rng.randbytes(rng.randrange(1, 300))
    if kind == 2:
        return None  # a tombstone
    if kind == 3:
        return b"\x81\xa1v\x01" + b"\x91" * rng.randrange(100, 5000)  # nested without end
    if kind == 4:
        return b"\x82\xa1v\x01\xa4data\xc9\xff\xff\xff\xff\x01"  # says that it is 4 GB
    if kind == 5:
        return b"\xdf\xff\xff\xff\xff\xa1v\x01"  # a map of 4 billion
    if kind == 6:
        return envelope(np.full((10, 3), rng.choice([np.nan, np.inf, 1e30]), "f4"))
    if kind == 7:
        return envelope(np.ones((10, rng.choice([1, 2, 4, 60])), "f4"))
    if kind == 8:
        return envelope(rng.choice(["text", b"bytes", {"a": 1}, [], [[1], [2, 3]], 10**18]))
    if kind == 9:
        return bytes(msgpack.packb({"v": rng.choice([0, 2, "1", None, -1]), "data": [1.0, 2.0]}))
    if kind == 10:
        return json.dumps({"key": "k", "time": "soon", "data": [1, 2, 3]}).encode()
    # One that takes the place of good ones in a stack of records that are alike.
    at = good.index(b"\xa4data") + 8
    return good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :]


@pytest.fixture
def fields(broker: str, new_topic: Callable[..., str]) -> dict[str, Any]:
    kafka = {"plugin": "kafka", "bootstrap_servers": broker}
    return {
        "pipeline": "hostile",
        "source": {**kafka, "start": "earliest", "group": uuid.uuid4().hex, "margin": "100ms"},
        "streams": {
            "a": {
                "modality": "sensor-stats",
                "config": {"channels": 3, "rate": 50},
                "topic": new_topic(PARTITIONS),
            }
        },
        "align": {"policy": "exact"},
        "fusion": {"plugin": "mean"},
        "tasks": {"moves": {"type": "classification", "labels": ["yes", "no"]}},
        "sink": {**kafka, "topic": new_topic(), "dead_letters": new_topic(PARTITIONS)},
    }


class Memory:
    """How much memory this process has as it goes on."""

    def __init__(self) -> None:
        self.events = 0
        self.bytes: list[tuple[int, int]] = []

    @hookimpl
    def sensorium_on_events(self, pipeline: str, events: Any) -> None:
        self.events += len(events)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.bytes.append((self.events, pages * os.sysconf("SC_PAGE_SIZE")))


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_the_good_are_predicted_and_the_bad_are_kept(
    broker: str, fields: dict[str, Any], delivery: str
) -> None:
    rng = random.Random(7)
    start = time.time_ns() - SECOND
    topic = fields["streams"]["a"]["topic"]
    records: list[dict[str, Any]] = []
    bad = 0
    while bad < BAD:
        good = chunk(f"k{len(records) % 50}", start + len(records))
        if rng.random() < GOOD_EACH:
            records.append(good)
        else:
            value = hostile(rng, good["value"])
            records.append({"key": b"bad", "value": value, "headers": [("trace", b"%d" % bad)]})
            bad += 1
        number = sum(records[-1]["key"]) % PARTITIONS
        records[-1] |= {"partition": number}
    for first in range(0, len(records), 10_000):
        send(broker, topic, records[first : first + 10_000])
    fields["delivery"] = delivery
    memory = Memory()
    summary = executor_of(fields, until_end=True, observers=[memory]).run()
    if SOAK:
        half = next(held for events, held in memory.bytes if events >= memory.events / 2)
        assert memory.bytes[-1][1] - half < 64 << 20, memory.bytes

    placed = {(it.partition, it.offset): it for it in read(broker, topic, len(records))}
    expected_bad = {place: it for place, it in placed.items() if it.key == b"bad"}
    predictions = [
        json.loads(it.value) for it in read(broker, fields["sink"]["topic"], len(records) - bad)
    ]
    origins = [origin for it in predictions for origin in it["members"]["a"]]
    assert sorted(origins) == sorted(
        f"{topic}/{number}/{offset}" for (number, offset), it in placed.items() if it.key != b"bad"
    )
    letters = read(broker, fields["sink"]["dead_letters"], bad)
    assert len(letters) == bad == summary.dead_letters
    for letter in letters:
        told = dict(letter.headers)
        place = (int(told["sensorium-partition"]), int(told["sensorium-offset"]))
        original = expected_bad.pop(place)
        assert told["sensorium-topic"].decode() == topic
        assert (letter.key, letter.value) == (original.key, original.value)
        assert told["trace"] == dict(original.headers)["trace"]
        assert told["sensorium-stage"] == b"ingest"
        assert told["sensorium-error"]
    assert not expected_bad
