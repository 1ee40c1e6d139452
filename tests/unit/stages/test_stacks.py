"""Records that come together give what each gives by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.errors import PayloadError
from sensorium.events import Event
from sensorium.plugin import Features, FeatureSpec, Modality, Payload, PluginConfig, Record
from sensorium.stages import Ingest, Ingested, IngestStream
from sensorium.testing import Clock
from sensorium.wire import Envelope, write_envelope
from sensorium_plugins.modalities import SensorCnn, SensorStats

TIME = 1_700_000_000_000_000_000


class OneByOne(SensorStats):
    """The same, without a way for many."""

    def decode_stack(self, arrays: Any) -> None:
        return None


class Asked(SensorStats):
    """Counts what it is asked for."""

    name = "asked"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.stacks: list[int] = []
        self.payloads = 0

    def decode_stack(self, arrays: Any) -> Any:
        self.stacks.append(len(arrays))
        return super().decode_stack(arrays)

    def decode(self, payload: Payload) -> Any:
        self.payloads += 1
        return super().decode(payload)


def sensor(kind: type[Modality], **config: Any) -> Modality:
    return kind(kind.Config(channels=3, rate=50, **config))


def ingest(modality: Modality) -> Ingest:
    streams = {"accel": IngestStream(modality, "a"), "gyro": IngestStream(modality, "g")}
    return Ingest(streams, clock=Clock(999))


def chunk(
    topic: str, at: int, *, key: str = "k", array: Any = None, time: int | None = None, **more: Any
) -> Record:
    data = np.full((4, 3), at, "<f4") if array is None else array
    stream = {"a": "accel", "g": "gyro"}.get(topic, topic)
    envelope = Envelope(stream, key, TIME + at if time is None else time, Payload(data), **more)
    return Record(topic, 0, at, write_envelope(envelope), arrived=100 + at)


def said(out: Ingested) -> list[Any]:
    """All of it, values included."""
    items = [
        (partition, item, item.value.tolist(), item.value.dtype, item.arrived)
        if isinstance(item, Event)
        else (partition, item)
        for partition, item in out.items
    ]
    return [items, [(it.origin, it.error, it.message, it.key, it.time) for it in out.letters]]


@st.composite
def polls(draw: st.DrawFn) -> list[Record]:
    """Many records, most of them alike, in polls of any size; some of them damaged."""
    records = []
    for at in range(draw(st.integers(8, 60))):
        array = draw(
            st.sampled_from(
                [None, None, None, np.full((4, 3), np.nan, "<f4"), np.full((4, 2), 1, "<f4"),
                 np.full((4, 3), 1e19, "<f4"), np.full((6, 2), 1, "<f4"),
                 np.zeros((0, 3), "<f4"), np.ones((4, 3), "<f8")]
            )
        )  # fmt: skip
        one = chunk(
            draw(st.sampled_from("aag")),
            at,
            key=draw(st.sampled_from(["k", "other", "kk", "é"])),
            array=array,
            time=draw(st.sampled_from([None, None, None, 2**62, -5])),
            duration=draw(st.sampled_from([None, 5])),
        )
        if draw(st.integers(0, 9)) == 0:
            data = bytearray(one.data or b"")
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
            one = Record(one.topic, 0, at, bytes(data), arrived=one.arrived)
        records.append(one)
    return records


@given(polls(), st.sampled_from([1, 7, 40]))
@settings(max_examples=60, deadline=None)
def test_the_same_comes_of_records_together_and_one_by_one(
    records: Sequence[Record], size: int
) -> None:
    together, alone, single = (ingest(sensor(it)) for it in (SensorStats, OneByOne, SensorStats))
    known = [chunk(topic, at) for at in range(3) for topic in "ag"]
    for one in (together, alone, single):
        one.read(known)  # so that layouts are known
    for first in range(0, len(records), size):
        part = records[first : first + size]
        found = said(together.read(part))
        assert found == said(alone.read(part))
    for record in records:
        single.read([record])
    assert together.by_stream == alone.by_stream == single.by_stream
    assert together.newest == alone.newest == single.newest


def test_what_is_alike_is_decoded_together() -> None:
    asked = sensor(Asked)
    assert isinstance(asked, Asked)
    reader = ingest(asked)
    reader.read([chunk("a", 0)])
    records = [chunk("a", at) for at in range(1, 301)]
    broken = chunk("a", 301, array=np.full((4, 3), np.inf, "<f4"))
    out = reader.read([*records, broken])
    assert len(out.letters) == 1
    assert out.letters[0].origin == "a/0/301"
    assert [item.time - TIME for _, item in out.items if isinstance(item, Event)] == list(
        range(1, 301)
    )
    # The last stack holds the broken one, so that its records are asked for one by one.
    assert asked.stacks == [128, 128, 45]
    assert asked.payloads == 1 + 45
    value = next(item.value for _, item in out.items if isinstance(item, Event))
    assert not value.flags.writeable
    assert value.flags.aligned


def test_large_records_and_few_are_decoded_one_by_one() -> None:
    asked = sensor(Asked)
    assert isinstance(asked, Asked)
    reader = ingest(asked)
    large = np.ones((400, 3), "<f4")
    reader.read([chunk("a", 0), chunk("g", 0, array=large)])
    reader.read([chunk("g", at, array=large) for at in range(1, 40)])
    reader.read([chunk("a", at) for at in range(40, 47)])
    assert asked.stacks == []


class Wrong(Modality):
    """Answers for many in a way that cannot be used."""

    name = "wrong"
    answer: Any = None

    def decode_stack(self, arrays: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def decode(self, payload: Payload) -> Any:
        if payload.data[0, 0] == 20:
            raise PayloadError("no 20")
        return payload.data

    def duration(self, value: Any) -> Any:
        return -1 if value[0, 0] == 21 else 5

    def prepare(self, items: Any) -> Any:
        raise NotImplementedError

    @property
    def feature(self) -> FeatureSpec:
        return FeatureSpec(1)

    def encode(self, arrays: Any) -> Features:
        raise NotImplementedError


@pytest.mark.parametrize("answer", [RuntimeError("no"), [1, 2], "all"])
def test_a_plugin_that_is_wrong_about_many_is_asked_for_each(answer: Any) -> None:
    records = [chunk("a", at) for at in range(40)]
    reader = ingest(wrong := Wrong(PluginConfig()))
    reader.read(records[:1])
    wrong.answer = answer
    if answer == "all":
        wrong.answer = [np.full((4, 3), at, "<f4") for at in range(1, 40)]
    out = reader.read(records[1:])
    errors = {letter.origin: letter.error for letter in out.letters}
    assert errors == {"a/0/20": "PayloadError", "a/0/21": "ValueError"}


def test_the_networks_of_sensors_decode_many() -> None:
    network = sensor(SensorCnn)
    arrays = np.ones((9, 4, 3), "<f4")
    decoded = network.decode_stack(arrays)
    assert decoded is not None
    assert [it.tolist() for it in decoded] == arrays.tolist()
    assert network.decode_stack(arrays[:, :, :2]) is None
    assert network.decode_stack(arrays.astype("<f8")) is None
