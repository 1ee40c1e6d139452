from __future__ import annotations

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.errors import WireError
from sensorium.plugin import Payload
from sensorium.wire import Envelope, decode_value, read_record, write_envelope

TEXT = st.text(max_size=20)
INT64 = st.integers(-(2**63), 2**63 - 1)
ENVELOPES = st.builds(
    Envelope,
    stream=st.none() | TEXT,
    key=TEXT,
    time=INT64,
    payload=st.builds(
        Payload,
        st.binary(max_size=50) | TEXT | st.lists(st.integers(-9, 9), max_size=30) | st.none(),
        st.none() | TEXT,
        st.dictionaries(TEXT, st.binary(max_size=9), max_size=4),
    ),
    id=st.none() | TEXT,
    duration=st.none() | st.integers(0, 2**63 - 1),
)


@given(ENVELOPES)
@settings(max_examples=200, deadline=None)
def test_an_envelope_comes_back_as_it_was_written(record, envelope):
    data = write_envelope(envelope)
    assert read_record(record(data), "envelope") == envelope
    assert read_record(record(data)) == envelope


def test_an_array_payload_is_a_view_over_the_record(record):
    array = np.arange(8, dtype=np.int16)
    data = write_envelope(Envelope("accel", "p1", 5, Payload(array)))
    back = read_record(record(data)).payload.data
    assert np.shares_memory(back, np.frombuffer(data, np.uint8))
    np.testing.assert_array_equal(back, array)


def test_a_heartbeat_needs_no_key_and_does_not_take_the_records(record):
    data = write_envelope(Envelope("accel", None, 5, Payload(None), heartbeat=True))
    assert read_record(record(data, key=b"p1")) == Envelope(
        "accel", None, 5, Payload(None), heartbeat=True
    )


def test_key_and_time_are_the_records_where_the_envelope_has_none(record):
    envelope = read_record(
        record(msgpack.packb({"v": 1, "data": 3}), key=b"p1", time=9, headers={"a": b"x"})
    )
    assert envelope == Envelope(None, "p1", 9, Payload(3, None, {"a": b"x"}))


def test_a_transport_key_that_is_no_text_matters_only_where_it_is_needed(record):
    data = msgpack.packb({"v": 1, "key": "k", "time": 1, "data": 3})
    assert read_record(record(data, key=b"\xff", time=2**70)).key == "k"
    with pytest.raises(WireError, match="Expected text in UTF-8, got other bytes - at `record:key"):
        read_record(record(msgpack.packb({"v": 1, "time": 1, "data": 3}), key=b"\xff"))


def test_the_envelopes_headers_win_over_the_transports(record):
    data = msgpack.packb({"v": 1, "key": "k", "time": 1, "data": 3, "headers": {"a": b"inner"}})
    headers = read_record(record(data, headers={"a": b"outer", "b": b"2"})).payload.headers
    assert headers == {"a": b"inner", "b": b"2"}


def test_unknown_fields_are_passed_over(record):
    data = msgpack.packb({"v": 1, "key": "k", "time": 1, "data": 3, "colour": {"r": 1}})
    assert read_record(record(data)).payload.data == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"v": 2}, "Envelope version 2 is not known; this reader knows 1 - at `$.v`"),
        ({"v": True}, "Expected `int`, got `bool` - at `$.v`"),
        ({"key": 17}, "Expected `str`, got `int` - at `$.key`"),
        ({"key": None}, "Missing required field - at `$.key`"),
        ({"time": None}, "Missing required field - at `$.time`"),
        ({"time": True}, "Expected `int`, got `bool` - at `$.time`"),
        ({"time": 1.5}, "Expected `int`, got `float` - at `$.time`"),
        ({"id": b"x"}, "Expected `str`, got `bytes` - at `$.id`"),
        ({"stream": []}, "Expected `str`, got `list` - at `$.stream`"),
        ({"type": {}}, "Expected `str`, got `map` - at `$.type`"),
        ({"duration": -1}, "Expected a duration of at least 0 - at `$.duration`"),
        ({"headers": []}, "Expected `map`, got `list` - at `$.headers`"),
        ({"headers": {"a": "x"}}, "Expected `bytes`, got `str` - at `$.headers.a`"),
        ({"heartbeat": 1}, "Expected `bool`, got `int` - at `$.heartbeat`"),
    ],
)
def test_a_wrong_field_is_named(record, change, message):
    data = msgpack.packb({"v": 1, "key": "k", "time": 1, "data": 3} | change)
    with pytest.raises(WireError) as caught:
        read_record(record(data))
    assert str(caught.value) == message


def test_a_time_beyond_64_bits_is_refused(record):
    data = msgpack.packb({"v": 1, "key": "k", "time": 2**63, "data": 3})
    with pytest.raises(WireError, match=r"within 64 bits .*is the unit of time right.*`\$.time`"):
        read_record(record(data))


def test_an_envelope_without_data_or_version_is_refused(record):
    with pytest.raises(WireError, match=r"Missing required field - at `\$.data`"):
        read_record(record(msgpack.packb({"v": 1, "key": "k", "time": 1})))
    with pytest.raises(WireError, match=r"Missing required field - at `\$.v`"):
        read_record(record(msgpack.packb({"key": "k"})), "envelope")
    with pytest.raises(WireError, match=r"Expected `map`, got `list` - at `\$`"):
        read_record(record(msgpack.packb([1])), "envelope")


def test_a_tombstone_and_an_oversized_record_are_refused(record):
    with pytest.raises(WireError, match="The record has no value"):
        read_record(record(None))
    with pytest.raises(WireError, match="11 bytes exceed the limit of 10"):
        read_record(record(bytes(11)), max_bytes=10)


def test_an_envelope_that_could_not_be_read_is_not_written():
    with pytest.raises(WireError, match=r"Missing required field - at `\$.key`"):
        write_envelope(Envelope(None, None, 5, Payload(1)))
    with pytest.raises(WireError, match=r"Expected `int`, got `float` - at `\$.time`"):
        write_envelope(Envelope(None, "k", 5.0, Payload(1)))  # type: ignore[arg-type]


def test_the_version_leads_and_the_data_ends(record):
    data = write_envelope(Envelope("s", "k", 1, Payload(b"x", "a/b", {"h": b""}), "i", 2))
    assert list(decode_value(data)) == [
        "v", "stream", "key", "time", "id", "duration", "type", "headers", "data",
    ]  # fmt: skip
