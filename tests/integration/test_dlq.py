"""``sensorium dlq``: records that a real run refused, listed, shown and sent again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kafka_records import SECOND, chunk, read, send

from sensorium.cli import main
from sensorium.events import DeadLetter
from sensorium.plugin import Payload
from sensorium.wire import Envelope, write_envelope
from sensorium_plugins.sinks import KafkaSink, KafkaSinkConfig

Capture = pytest.CaptureFixture[str]
TRUNCATED = {"key": b"p1", "value": b"\x82\xa1v", "headers": [("trace", b"7")]}


def of_wrong_shape(at: int) -> dict[str, Any]:
    """An envelope that is right, around samples with 2 channels where 3 are configured."""
    envelope = Envelope(None, "p2", at, Payload(np.zeros((5, 2), "f4")))
    return {"key": b"p2", "value": write_envelope(envelope)}


@dataclass
class Refused:
    """A pipeline that has refused three records."""

    path: Path
    broker: str

    def topic(self, part: str) -> str:
        return f"{self.path.stem}.{part}"

    def letters(self, capsys: Capture, *arguments: str) -> list[dict[str, Any]]:
        capsys.readouterr()
        assert main(["dlq", "list", str(self.path), "--json", *arguments]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def refused(broker: str, pipeline_file: Callable[..., Path]) -> Refused:
    made = Refused(pipeline_file(), broker)
    assert main(["topics", "create", str(made.path), "--partitions", "2"]) == 0
    now = time.time_ns()
    send(broker, made.topic("accel"), [chunk("p1", now - SECOND), {"key": b"p1", "value": b"{"}])
    send(broker, made.topic("gyro"), [TRUNCATED, of_wrong_shape(now)])
    assert main(["run", str(made.path), "--until-end"]) == 0
    return made


def test_they_are_listed_with_coordinates_and_reason_but_no_payload(
    refused: Refused, capsys: Capture
) -> None:
    found = refused.letters(capsys)
    assert len(found) == 3
    assert {one["stage"] for one in found} == {"ingest"}
    broken = next(one for one in found if one["error"] == "WireError" and "gyro" in one["origin"])
    assert broken["origin"].startswith(refused.topic("gyro") + "/")
    assert broken["attempt"] == 1
    assert all("data" not in one and "headers" not in one for one in found)

    assert [one["key"] for one in refused.letters(capsys, "--stream", "gyro")] == ["p2"]
    assert len(refused.letters(capsys, "--error", "WireError")) == 2
    assert refused.letters(capsys, "--stage", "encode") == []
    assert main(["dlq", "list", str(refused.path)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[:4] == ["place", "written", "stage", "error"]
    assert len(table) == 4


def test_one_is_shown_with_its_payload(refused: Refused, capsysbinary: Any) -> None:
    capsysbinary.readouterr()
    assert main(["dlq", "list", str(refused.path), "--json"]) == 0
    found = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    broken, shaped = (
        next(one for one in found if one["key"] == key and "gyro" in one["origin"])
        for key in (None, "p2")
    )
    assert main(["dlq", "show", str(refused.path), broken["place"]]) == 0
    text = capsysbinary.readouterr().out.decode()
    assert "header:     trace: 7" in text
    assert "00000000  82 a1 76" in text
    assert main(["dlq", "show", str(refused.path), shaped["place"]]) == 0
    text = capsysbinary.readouterr().out.decode()
    assert '"key": "p2"' in text
    assert "array float32[5, 2]" in text
    assert main(["dlq", "show", str(refused.path), broken["place"], "--raw"]) == 0
    assert capsysbinary.readouterr().out == TRUNCATED["value"]
    assert main(["dlq", "show", str(refused.path), "0/999"]) == 1
    assert b"holds no dead letter at 0/999" in capsysbinary.readouterr().err
    assert main(["dlq", "show", str(refused.path), "9/0"]) == 1
    assert b"holds no dead letter at 9/0" in capsysbinary.readouterr().err
    assert main(["dlq", "show", str(refused.path), "first"]) == 2
    assert b"'first' is no place: write PARTITION/OFFSET" in capsysbinary.readouterr().err


def test_replay_puts_the_original_back_where_it_was_and_counts_the_tries(
    refused: Refused, capsys: Capture
) -> None:
    (shaped,) = refused.letters(capsys, "--stream", "gyro")
    broken = next(one for one in refused.letters(capsys) if one["key"] is None and
                  "gyro" in one["origin"])  # fmt: skip
    places = [shaped["place"], broken["place"]]
    assert main(["dlq", "replay", str(refused.path), *places, "--dry-run"]) == 0
    assert capsys.readouterr().err.endswith("2 of 2 would be sent\n")
    assert len(read(refused.broker, refused.topic("gyro"), 2)) == 2

    assert main(["dlq", "replay", str(refused.path), *places]) == 0
    assert "(try 2)" in capsys.readouterr().out
    records = read(refused.broker, refused.topic("gyro"), 4)
    assert len(records) == 4
    first, second = (one for one in records if one.value == TRUNCATED["value"])
    assert (first.key, first.partition) == (second.key, second.partition)
    assert dict(second.headers) == {"trace": b"7", "sensorium-attempt": b"2"}

    # It fails again: the next letter says that this was the second try.
    assert main(["run", str(refused.path), "--until-end"]) == 0
    tries = {one["origin"]: one["attempt"] for one in refused.letters(capsys)}
    assert tries[f"{second.topic}/{second.partition}/{second.offset}"] == 2


def test_replay_wants_to_be_told_which(refused: Refused, capsys: Capture) -> None:
    assert main(["dlq", "replay", str(refused.path)]) == 2
    assert "say which" in capsys.readouterr().err
    assert main(["dlq", "replay", str(refused.path), "--all", "--dry-run"]) == 0
    assert capsys.readouterr().err.endswith("3 of 3 would be sent\n")


def test_a_letter_without_bytes_is_read_again_at_its_origin(
    refused: Refused, capsys: Capture
) -> None:
    kept = read(refused.broker, refused.topic("accel"), 2)[0]
    origin = f"{kept.topic}/{kept.partition}/{kept.offset}"
    hour_ago = time.time_ns() - 3600 * SECOND
    sink = KafkaSink(
        KafkaSinkConfig(
            bootstrap_servers=refused.broker,
            topic=refused.topic("out"),
            dead_letters=refused.topic("dead"),
        )
    )
    for lost in (origin, f"{kept.topic}/{kept.partition}/999", None):
        sink.write_dead_letters(
            [DeadLetter("encode", "ValueError", "?", "accel", "p1", hour_ago, lost)]
        )
    sink.close()
    capsys.readouterr()
    assert main(["dlq", "replay", str(refused.path), "--stage", "encode"]) == 1
    said = capsys.readouterr()
    assert f"sent to {kept.topic}/{kept.partition} (try 2)" in said.out
    assert "not sent: its bytes are gone, and so is" in said.out
    assert "not sent: it is of no single record" in said.out
    assert "1 of them are older than their stream's max_delay" in said.err
    again = read(refused.broker, refused.topic("accel"), 3)[-1]
    assert (again.value, again.key) == (kept.value, kept.key)


def test_a_record_with_neither_key_nor_value_is_a_letter_too(
    broker: str, pipeline_file: Callable[..., Path], capsys: Capture
) -> None:
    made = Refused(pipeline_file(), broker)
    assert main(["topics", "create", str(made.path), "--partitions", "1"]) == 0
    accel = made.topic("accel")
    send(broker, accel, [chunk("p1", time.time_ns() - SECOND)])
    _send_nothing(broker, accel)
    assert main(["run", str(made.path), "--until-end"]) == 0
    (letter,) = made.letters(capsys)
    assert letter["origin"] == f"{accel}/0/1"
    # One set, or two where the chunk lies across the border of two windows.
    assert {it.key for it in read(broker, made.topic("out"), 1)} == {b"p1"}


def _send_nothing(broker: str, topic: str) -> None:
    """A record without key and value: Java's client sends one, and kafka-python refuses to."""
    from kafka import KafkaProducer, TopicPartition

    producer = KafkaProducer(bootstrap_servers=broker)
    assert producer.partitions_for(topic) == {0}
    future, *_ = producer._accumulator.append(TopicPartition(topic, 0), None, None, None, [])
    producer.flush()
    assert future.succeeded()
    producer.close()
