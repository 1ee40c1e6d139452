"""Dead letters as JSON, complete enough to be sent again."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from sensorium.events import DeadLetter
from sensorium.wire._checks import expect, expect_text, in_int64, missing
from sensorium.wire._payloads import from_base64

__all__ = ["dead_letter_from_dict", "dead_letter_json", "dead_letter_to_dict"]


def dead_letter_to_dict(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter as JSON has it.

    Returns
    -------
    dict
        As `dead_letter_schema` describes; the data, the record's key and the headers' values are
        base64.
    """
    return {
        "stage": letter.stage,
        "error": letter.error,
        "message": letter.message,
        "stream": letter.stream,
        "key": letter.key,
        "time": letter.time,
        "origin": letter.origin,
        "plugin": letter.plugin,
        "data": None if letter.data is None else _base64(letter.data),
        "headers": {name: _base64(value) for name, value in letter.headers.items()},
        "attempt": letter.attempt,
        "record_key": None if letter.record_key is None else _base64(letter.record_key),
        "hook": letter.hook,
    }


def dead_letter_json(letter: DeadLetter) -> str:
    """A dead letter as one line of JSON in ASCII, without the line's end."""
    return json.dumps(dead_letter_to_dict(letter), separators=(",", ":"), allow_nan=False)


def dead_letter_from_dict(value: Mapping[str, Any]) -> DeadLetter:
    """Read a dead letter again; unknown fields are passed over.

    Raises
    ------
    WireError
        If a field is missing or of the wrong type.
    """
    for name in ("stage", "error", "message"):
        if name not in value:
            raise missing(f"$.{name}")
    time = value.get("time")
    if time is not None:
        expect(time, int, "$.time")
        in_int64(time, "$.time")
    attempt = value.get("attempt", 1)
    expect(attempt, int, "$.attempt")
    headers = value.get("headers", {})
    expect(headers, dict, "$.headers")
    data, record_key = value.get("data"), value.get("record_key")
    return DeadLetter(
        stage=expect_text(value["stage"], "$.stage"),
        error=expect_text(value["error"], "$.error"),
        message=expect_text(value["message"], "$.message"),
        stream=_optional(value, "stream"),
        key=_optional(value, "key"),
        time=time,
        origin=_optional(value, "origin"),
        plugin=_optional(value, "plugin"),
        data=None if data is None else from_base64(data, "$.data"),
        headers={
            name: from_base64(content, f"$.headers.{name}") for name, content in headers.items()
        },
        attempt=attempt,
        record_key=None if record_key is None else from_base64(record_key, "$.record_key"),
        hook=_optional(value, "hook"),
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _optional(value: Mapping[str, Any], name: str) -> str | None:
    return None if value.get(name) is None else expect_text(value[name], f"$.{name}")
