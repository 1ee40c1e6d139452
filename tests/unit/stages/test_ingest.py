"""Ingest: routing, decoding, and what becomes of records that cannot be used."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from sensorium.errors import RunError
from sensorium.events import Event
from sensorium.plugin import Payload, Record
from sensorium.stages import (
    Heartbeat,
    Ingest,
    IngestStream,
    Progress,
    TargetStream,
    TargetValue,
    Wiring,
)
from sensorium.testing import Clock
from sensorium.wire import Envelope, FieldMap, write_envelope


def record(
    topic: str,
    data: Any = None,
    *,
    stream: str | None = None,
    key: str | None = "k",
    time: int | None = 5,
    offset: int = 0,
    partition: int = 0,
    arrived: int | None = 100,
    **more: Any,
) -> Record:
    envelope = Envelope(
        stream, key, time, Payload([1.0, 2.0, 3.0] if data is None else data), **more
    )
    return Record(
        topic,
        partition,
        offset,
        write_envelope(envelope),
        headers={"h": b"1"},
        arrived=arrived,
    )


def events(out: Any) -> list[Event]:
    return [item for _, item in out.items if isinstance(item, Event)]


@pytest.fixture
def ingest(plugins: SimpleNamespace) -> Ingest:
    numbers = plugins.Numbers()
    return Ingest(
        {
            "accel": IngestStream(numbers, "watch.accel"),
            "gyro": IngestStream(numbers, "watch.gyro"),
        },
        clock=Clock(999),
    )


@pytest.fixture
def shared(plugins: SimpleNamespace) -> Ingest:
    numbers = plugins.Numbers()
    streams = {name: IngestStream(numbers, "all") for name in ("accel", "gyro")}
    return Ingest(streams, targets={"label": TargetStream("all")}, clock=Clock(999))


def test_a_record_becomes_an_event_with_its_coordinates(ingest: Ingest) -> None:
    (event,) = events(ingest.read([record("watch.accel", offset=7, id="a1")]))
    assert (event.stream, event.key, event.time, event.arrived) == ("accel", "k", 5, 100)
    assert (event.id, event.origin) == ("a1", "watch.accel/0/7")
    assert event.value.tolist() == [1, 2, 3]
    assert ingest.counts == {"event": 1}


def test_the_duration_is_the_envelopes_or_else_the_modalitys(ingest: Ingest) -> None:
    given, derived = events(
        ingest.read([record("watch.accel", duration=8), record("watch.accel", time=6)])
    )
    assert (given.duration, derived.duration) == (8, 3)


def test_a_live_record_arrives_by_the_clock(ingest: Ingest) -> None:
    (event,) = events(ingest.read([record("watch.accel", arrived=None)]))
    assert event.arrived == 999


def test_a_recording_may_name_topics_after_streams(ingest: Ingest) -> None:
    (event,) = events(ingest.read([record("gyro")]))
    assert event.stream == "gyro"


def test_one_file_carries_every_stream_that_its_envelopes_name(ingest: Ingest) -> None:
    (event,) = events(ingest.read([record("some-file", stream="gyro"), record("some-file")]))
    assert event.stream == "gyro"
    assert ingest.counts == {"event": 1, "skipped": 1}


def test_a_shared_topic_is_told_apart_by_the_envelope(shared: Ingest) -> None:
    out = shared.read(
        [
            record("all", stream="gyro"),
            record("all", stream="label", data="PEN"),
            record("all", stream="of-another-pipeline"),
            record("all"),
        ]
    )
    assert [event.stream for event in events(out)] == ["gyro"]
    assert out.targets == [TargetValue("label", "k", 5, "PEN")]
    assert "names no `stream`" in out.letters[0].message
    assert shared.counts == {"event": 1, "target": 1, "skipped": 1, "dead_letter": 1}


def test_an_envelope_of_another_topic_is_refused(ingest: Ingest) -> None:
    (letter,) = ingest.read([record("watch.accel", stream="gyro")]).letters
    assert letter.message.startswith("the envelope names the stream 'gyro', which is read from ")
    assert "watch.gyro" in letter.message


@pytest.mark.parametrize("field", ["key", "time"])
def test_a_missing_field_is_named(ingest: Ingest, field: str) -> None:
    """Bytes that are no envelope, and the transport knows only one of the two."""
    known = {"key": {"time": 5}, "time": {"key": b"k"}}[field]
    bare = Record("watch.accel", 0, 0, b"\x00", arrived=1, **known)
    (letter,) = ingest.read([bare]).letters
    assert letter.message == (
        f"the record has no {field} - at `{field}`: add it to the envelope, or set the stream's "
        f"`fields.{field}`"
    )
    assert (letter.stage, letter.stream, letter.error) == ("ingest", "accel", "PayloadError")


@pytest.mark.parametrize("field", ["key", "time"])
def test_a_field_that_is_missing_in_an_object_is_named(ingest: Ingest, field: str) -> None:
    body = {"key": "k", "time": 5, "data": [1, 2, 3]}
    del body[field]
    (letter,) = ingest.read([Record("watch.accel", 0, 0, json.dumps(body).encode())]).letters
    assert f"{field}`" in letter.message


def test_a_payload_that_is_refused_is_kept_with_the_reason(ingest: Ingest) -> None:
    bad = record("watch.accel", data=[1], offset=3)
    (letter,) = ingest.read([bad]).letters
    assert letter.message == "numbers.decode: expected a list of 3 numbers"
    assert (letter.plugin, letter.origin, letter.key, letter.time) == (
        "numbers",
        "watch.accel/0/3",
        "k",
        5,
    )
    assert (letter.data, letter.headers) == (bad.data, {"h": b"1"})


def test_a_bug_of_a_plugin_is_told_without_the_payload(ingest: Ingest) -> None:
    (letter,) = ingest.read([record("watch.accel", data=["secret", 1, 2])]).letters
    assert letter.error == "ValueError"
    assert letter.message.startswith("numbers.decode raised ValueError at conftest.py:")
    assert "secret" not in letter.message


def test_bytes_that_are_no_envelope_stop_nothing(ingest: Ingest) -> None:
    out = ingest.read([Record("watch.accel", 0, 0, b"{\xff", arrived=1), record("watch.accel")])
    assert len(out.letters) == len(events(out)) == 1
    assert out.letters[0].error == "WireError"


def test_a_record_proves_that_every_stream_of_its_topic_was_read_so_far(shared: Ingest) -> None:
    out = shared.read(
        [record("all", stream="gyro", arrived=70), Record("all", 0, 1, b"?", arrived=80)]
    )
    progress = [item for _, item in out.items if isinstance(item, Progress)]
    assert progress == [Progress("accel", 80), Progress("gyro", 80)]


def test_a_heartbeat_is_no_event(ingest: Ingest) -> None:
    out = ingest.read([record("watch.gyro", key=None, heartbeat=True)])
    assert out.items[0] == (0, Heartbeat("gyro", None, 5, 100))
    assert events(out) == []


def test_a_key_under_two_partition_numbers_stops_the_run(ingest: Ingest) -> None:
    with pytest.raises(RunError, match=r"'k' .* number 0 and, at watch.gyro\[1\]@4, under 1"):
        ingest.read([record("watch.accel"), record("watch.gyro", partition=1, offset=4)])


def test_streams_of_one_topic_may_be_read_in_different_ways(plugins: SimpleNamespace) -> None:
    numbers = plugins.Numbers()
    other = Wiring("json", FieldMap(key="who"))
    streams = {
        "accel": IngestStream(numbers, "all", Wiring("json")),
        "gyro": IngestStream(numbers, "all", other),
    }
    body = {"stream": "gyro", "key": "wrong", "who": "right", "time": 5, "data": [1, 2, 3]}
    ingest = Ingest(streams, clock=Clock())
    (event,) = events(ingest.read([Record("all", 0, 0, json.dumps(body).encode(), arrived=1)]))
    assert (event.stream, event.key) == ("gyro", "right")


def test_a_line_of_a_file_that_cannot_be_read_is_buried_with_its_number(ingest: Ingest) -> None:
    (letter,) = ingest.read([Record("some-file", 0, 17, b"{nonsense")]).letters
    assert letter.origin == "some-file/0/17"


def test_a_file_proves_how_far_all_streams_have_been_read(ingest: Ingest) -> None:
    out = ingest.read([record("some-file", stream="gyro", arrived=70)])
    progress = [item for _, item in out.items if isinstance(item, Progress)]
    assert progress == [Progress("accel", 70), Progress("gyro", 70)]


def test_a_foreign_topic_proves_nothing(ingest: Ingest) -> None:
    out = ingest.read([record("foreign", arrived=90), record("watch.gyro", arrived=70)])
    progress = [item for _, item in out.items if isinstance(item, Progress)]
    assert progress == [Progress("gyro", 70)]
