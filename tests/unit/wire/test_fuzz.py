"""Whatever comes in, only an envelope or a `WireError` comes out."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.errors import WireError
from sensorium.plugin import Payload
from sensorium.wire import Envelope, FieldMap, read_record, write_envelope

FORMATS = st.sampled_from(["auto", "envelope", "json", "raw", "cloudevents"])
FIELDS = st.sampled_from([FieldMap(), FieldMap(data="", key="a.0", time="a.b", time_unit="s")])
HEADERS = st.dictionaries(
    st.sampled_from(
        ["ce_specversion", "ce_id", "ce_source", "ce_time", "ce_subject", "content-type", "key",
         "time", "duration"]
    ),
    st.sampled_from(
        [b"1.0", b"1e99", b"application/json", b"application/vnd.msgpack",
         b"application/cloudevents+json", b"2024-01-01T00:00:00Z"]
    )
    | st.binary(max_size=12),
)  # fmt: skip
VALID = [
    write_envelope(Envelope("s", "k", 1, Payload(np.arange(5)), "i", 3)),
    write_envelope(Envelope("s", "k", 1, Payload({"a": [1.5] * 40, "b": np.eye(3) > 0}))),
    write_envelope(Envelope(None, None, 1, Payload(None), heartbeat=True)),
    b'{"stream":"s","key":"k","time":1.5,"id":"i","duration":"2s","data":{"base64":"AAE="}}',
    b'{"specversion":"1.0","id":"1","source":"s","time":"2024-01-01T00:00:00Z","data":[1e3]}',
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["stream", "key", "time", "id", "duration", "data", "heartbeat", "base64", "a"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["set", "cut", "insert", "remove", "repeat"])):
            case "set" if data:
                data[at] = draw(st.integers(0, 255))
            case "cut":
                del data[at:]
            case "insert":
                data[at:at] = draw(st.binary(max_size=5))
            case "remove":
                del data[at : at + draw(st.integers(1, 5))]
            case "repeat":
                data[at:at] = data[at : at + 3] * draw(st.integers(1, 50))
    return bytes(data)


@given(
    st.one_of(
        mutated(),
        st.binary(max_size=80),
        JSON.map(lambda value: json.dumps(value).encode()),
    ),
    FORMATS,
    FIELDS,
    HEADERS,
    st.none() | st.binary(max_size=4),
    st.none() | st.integers(-(2**70), 2**70),
)
@settings(max_examples=1500, deadline=None)
def test_only_an_envelope_or_a_wire_error_comes_out(
    record, data, wire_format, fields, headers, key, time
):
    source = record(data, headers=headers, key=key, time=time)
    try:
        envelope = read_record(source, wire_format, fields)
    except WireError:
        return
    assert envelope.key is None or type(envelope.key) is str
    assert envelope.time is None or -(2**63) <= envelope.time < 2**63
    assert envelope.duration is None or 0 <= envelope.duration < 2**63
