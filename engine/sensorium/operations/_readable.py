"""The bytes of a record in a form that people can read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from sensorium.errors import WireError
from sensorium.wire import decode_value

__all__ = ["readable"]

_HEX_ROW: Final = 16
_MOST_ROWS: Final = 64
_LONGEST_TEXT: Final = 20_000


def readable(data: bytes) -> str:
    """JSON laid out, other text as it is, msgpack as JSON, and all else in hexadecimal."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    if text and all(character.isprintable() or character in "\r\n\t" for character in text):
        return _shortened(_laid_out(text))
    try:
        value = decode_value(data)
    except WireError:
        return "\n".join(_hexadecimal(data))
    if not isinstance(value, dict | list):  # nearly any byte is some msgpack value
        return "\n".join(_hexadecimal(data))
    return _shortened("msgpack " + json.dumps(value, indent=2, default=_other, ensure_ascii=False))


def _laid_out(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _other(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return f"array {value.dtype}{list(value.shape)}: {np.array2string(value, threshold=12)}"
    if isinstance(value, bytes | memoryview):
        return f"{len(value)} bytes: {bytes(value[:32]).hex(' ')}"
    return repr(value)


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST_TEXT:
        return text
    return f"{text[:_LONGEST_TEXT]}\n... {len(text) - _LONGEST_TEXT} more characters"


def _hexadecimal(data: bytes) -> Iterator[str]:
    for at in range(0, min(len(data), _HEX_ROW * _MOST_ROWS), _HEX_ROW):
        row = data[at : at + _HEX_ROW]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{at:08x}  {row.hex(' '):47}  {shown}"
    if len(data) > _HEX_ROW * _MOST_ROWS:
        yield f"... {len(data) - _HEX_ROW * _MOST_ROWS} more bytes"
