"""Compressed records are read, and written where that is asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka_records import SECOND, chunk, read

from sensorium.cli import main

CODECS = ["gzip", "snappy", "lz4", "zstd"]


def stored_bytes(broker: str, topic: str) -> int:
    """What the broker holds of a topic."""
    from kafka.admin import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=broker)
    try:
        told = admin.describe_log_dirs([topic])
    finally:
        admin.close()
    return sum(
        part["partition_size"]
        for one in told
        for folder in one["log_dirs"]
        for named in folder["topics"]
        for part in named["partitions"]
    )


@pytest.mark.parametrize("codec", CODECS)
def test_what_a_producer_has_compressed_is_read_and_predictions_are_compressed(
    broker: str, pipeline_file: Callable[..., Path], codec: str
) -> None:
    from kafka import KafkaProducer

    plain = pipeline_file()
    draft = json.loads(plain.read_text())
    packed = pipeline_file(
        streams=draft["streams"],
        sink={**draft["sink"], "topic": f"{draft['pipeline']}.packed", "compression": codec},
    )
    for path in (plain, packed):
        assert main(["topics", "create", str(path), "--partitions", "1"]) == 0
    producer = KafkaProducer(bootstrap_servers=broker, compression_type=codec, linger_ms=100)
    now = time.time_ns()
    for number in range(100):
        for stream in draft["streams"].values():
            producer.send(stream["topic"], **chunk(f"p{number}", now - SECOND))
    producer.close()

    sent = [json.loads(it.read_text())["sink"]["topic"] for it in (plain, packed)]
    for path in (plain, packed):
        assert main(["run", str(path), "--until-end"]) == 0
    found = [
        sorted(json.loads(it.value)["key"] for it in read(broker, topic, 100)) for topic in sent
    ]
    assert found[0] == found[1]
    assert set(found[0]) == {f"p{number}" for number in range(100)}
    assert stored_bytes(broker, sent[1]) < stored_bytes(broker, sent[0]) / 2
