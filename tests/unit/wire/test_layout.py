"""A reader that remembers how envelopes are laid out reads what `read_record` reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sensorium.errors import WireError
from sensorium.plugin import Payload, Record
from sensorium.wire import Envelope, RecordReader, read_record, write_envelope
from sensorium.wire._envelope import read_envelope
from sensorium.wire._layout import layout_of
from sensorium.wire._msgpack import encode_value

TIME = 1_700_000_000_000_000_000
DTYPES = st.sampled_from(["<f4", ">f4", "<f8", "<i2", "u1", "?"])


@st.composite
def envelopes(draw: st.DrawFn) -> bytes:
    """As producers write them, now and then in an order of their own."""
    shape = draw(st.sampled_from([(2, 3), (4,), (0, 3), ()]))
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(draw(DTYPES))
    fields: dict[str, Any] = {
        "v": 1,
        "stream": draw(st.sampled_from(["accel", "gyro", "é", None])),
        "key": draw(st.sampled_from(["k", "other", "é", "", None])),
        "time": draw(st.sampled_from([TIME, TIME + 1, 2**63, 5, -5])),
        "id": draw(st.none() | st.just("i")),
        "duration": draw(st.sampled_from([None, 3, 500_000_000, -1])),
        "type": draw(st.sampled_from([None, "a/b"])),
        "more": draw(st.sampled_from([None, 1.5, True])),
        "data": array,
    }
    names = [name for name, value in fields.items() if value is not None]
    if draw(st.integers(0, 3)) == 0:
        names = draw(st.permutations(names))
    return encode_value({name: fields[name] for name in names})


def record(data: bytes | None, **more: Any) -> Record:
    return Record("topic", 0, 7, data, **more)


def outcome(read: Any, *given: Any) -> str:
    try:
        return repr(read(*given))
    except WireError as error:
        return f"refused: {error}"


@given(
    st.lists(envelopes(), min_size=1, max_size=6),
    st.sampled_from(["auto", "envelope", "raw", "json"]),
    st.sampled_from([{}, {"h": b"1"}, {"content-type": b"application/vnd.msgpack"},
                     {"content-type": b"text/plain"}]),
    st.data(),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_what_it_gives_is_what_read_record_gives(known, form, headers, draw) -> None:
    reader = RecordReader(form)
    for data in known:
        for _ in range(2):  # the second time from what the first one left
            for some in ({}, headers):
                one = record(data, headers=some, key=b"r", time=9)
                assert outcome(reader.read, one) == outcome(read_record, one, form)
    # Near to what is known, sound or not.
    data = bytearray(draw.draw(st.sampled_from(known)))
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    one = record(bytes(data), headers=draw.draw(st.sampled_from([{}, headers])))
    assert outcome(reader.read, one) == outcome(read_record, one, form)


@given(st.binary(max_size=40))
@example(b"\x81\xa1")
@example(b"\x83\xa1v\x01\xa4data\xc7")
@settings(deadline=None)
def test_what_is_no_envelope_teaches_nothing(data: bytes) -> None:
    reader = RecordReader()
    for _ in range(2):
        one = record(data)
        assert outcome(reader.read, one) == outcome(read_record, one)


def test_an_envelope_like_another_is_read_from_its_layout() -> None:
    array = np.arange(6, dtype=np.float32).reshape(3, 2)
    first, second = (
        write_envelope(Envelope("accel", key, TIME + at, Payload(array + at), duration=4))
        for at, key in enumerate(["aa", "bb"])
    )
    one = record(first)
    layout = layout_of(first, read_envelope(one, first, 10_000, 32))
    assert layout is not None
    read = layout.read(record(second), second)
    assert read is not None
    assert (read.stream, read.key, read.time, read.duration) == ("accel", "bb", TIME + 1, 4)
    np.testing.assert_array_equal(read.payload.data, array + 1)
    assert np.shares_memory(read.payload.data, np.frombuffer(second, np.uint8))
    assert not read.payload.data.flags.writeable


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "i"},  # another in every event
        {"headers": {"h": b"1"}},
        {"data": [1.0]},
        {"data": np.array([True])},  # its bytes have to be looked at
        {"time": 5},
        {"data": np.zeros(2), "after": 1},
    ],
)
def test_what_differs_in_other_ways_has_no_layout(fields: dict[str, Any]) -> None:
    data = encode_value({"v": 1, "key": "k", "time": TIME, "data": np.zeros(3)} | fields)
    assert layout_of(data, read_envelope(record(data), data, 10_000, 32)) is None


def test_a_reader_that_has_met_many_layouts_goes_on_reading() -> None:
    reader = RecordReader()
    for size in [*range(1500), 3]:
        data = write_envelope(Envelope("s", "k", TIME, Payload(np.zeros(size, np.int8))))
        assert len(reader.read(record(data)).payload.data) == size
