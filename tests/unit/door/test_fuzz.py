"""No request raises anything but a refusal, and what is written is read again."""

from __future__ import annotations

import base64
import json
import struct
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sensorium.door import RefusedError
from sensorium.door._request import read_request
from sensorium.door._set import SetMaker
from sensorium.host import Pipeline

half = st.just("\ud800")  # of a character: JSON can hold it, UTF-8 cannot
names = half | st.sampled_from(["accel", "gyro", "", "x"])
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
inputs = st.fixed_dictionaries(
    {
        "name": names | plain,
        "shape": st.lists(st.integers(-1, 3), max_size=2) | plain,
        "datatype": st.just("BYTES") | plain,
    },
    optional={
        "data": st.lists(st.text(max_size=30), max_size=3) | plain,
        "parameters": st.fixed_dictionaries(
            {},
            optional={
                "content_type": st.sampled_from(["base64", "str"]) | plain,
                "binary_data_size": st.integers(-1, 20) | plain,
                "key": st.text(max_size=3) | half | plain,
                "time": st.integers() | plain,
                "media_type": st.text(max_size=5) | half | plain,
            },
        )
        | plain,
    },
)
bodies = st.fixed_dictionaries(
    {"inputs": st.lists(inputs, max_size=3) | plain},
    optional={
        "id": st.text(max_size=3) | half | plain,
        "outputs": st.lists(st.fixed_dictionaries({"name": names}), max_size=2) | plain,
        "parameters": plain
        | st.fixed_dictionaries(
            {}, optional={name: st.integers() | plain for name in ("start", "end", "time")}
        ),
    },
)


@given(bodies, st.binary(max_size=40), st.booleans())
def test_what_looks_like_a_request(
    pipeline: Pipeline, body: Any, rest: bytes, headed: bool
) -> None:
    head = json.dumps(body).encode()
    with suppress(RefusedError):
        request = read_request(head + rest, len(head) if headed else None)
        SetMaker(pipeline).make(request)


@given(st.binary(max_size=200), st.none() | st.integers(-5, 300))
def test_any_bytes(body: bytes, length: int | None) -> None:
    with suppress(RefusedError):
        read_request(body, length)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.booleans())
def test_payloads_arrive_as_they_were(payloads: list[bytes], binary: bool) -> None:
    one: dict[str, Any] = {"name": "accel", "shape": [len(payloads)], "datatype": "BYTES"}
    rest = b""
    if binary:
        rest = b"".join(struct.pack("<I", len(it)) + it for it in payloads)
        one["parameters"] = {"binary_data_size": len(rest)}
    else:
        one["parameters"] = {"content_type": "base64"}
        one["data"] = [base64.b64encode(it).decode() for it in payloads]
    head = json.dumps({"inputs": [one]}).encode()
    request = read_request(head + rest, len(head))
    assert list(request.inputs["accel"].records) == payloads
