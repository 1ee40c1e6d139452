"""Payloads that a modality must survive."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from sensorium.plugin import Payload

__all__ = ["hostile"]

_ANY: Final[tuple[Any, ...]] = (
    None,
    b"",
    b"\xff\xfe\x00",
    "",
    "not what you think",
    "\ud800",
    True,
    -1,
    math.nan,
    math.inf,
    10**400,
    [],
    [[]],
    [[1, 2], [3]],
    [None, {}],
    {},
    {"data": object},
    np.empty((0,), np.float32),
    np.full((2, 2), np.nan, np.float32),
    np.zeros((1, 1, 1, 1, 1), np.uint8),
    np.array(["a", "b"]),
)


def hostile(payloads: Sequence[Payload | Any]) -> Iterator[Payload]:
    """What no producer should send: of any kind, and good payloads that were damaged."""
    for data in _ANY:
        yield Payload(data)
    for good in payloads:
        payload = good if isinstance(good, Payload) else Payload(good)
        for data in _damaged(payload.data):
            yield Payload(data, payload.content_type, payload.headers)
        yield Payload(payload.data, "application/x-no-such-type")


def _damaged(data: Any) -> Iterator[Any]:
    if isinstance(data, bytes):
        yield data[: len(data) // 2]
        yield data[:1] + bytes(len(data) - 1)
        yield data + data
    elif isinstance(data, str):
        yield data + "\0"
        yield data * 1000
    elif isinstance(data, np.ndarray):
        yield data[:0]
        yield data[None]
        yield data.astype(object)
        if data.dtype.kind == "f":
            yield np.where(np.arange(data.size).reshape(data.shape) == 0, np.inf, data)
            yield np.full_like(data, np.finfo(data.dtype).max)
    elif isinstance(data, list):
        yield [*data, None]
        yield [data]
        yield data[:-1]
        yield [1e300, *data[1:]]
    elif isinstance(data, dict):
        for key in data:
            yield {**data, key: None}
            yield {**data, key: [data[key]]}
            yield {other: value for other, value in data.items() if other != key}
    elif isinstance(data, int | float):
        yield str(data)
        yield [data]
        yield 1e308
