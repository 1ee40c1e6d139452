"""The formats of topics that Sensorium did not write: JSON, raw bytes, CloudEvents."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from sensorium.errors import WireError
from sensorium.plugin import Payload, Record
from sensorium.wire._checks import expect, expect_text, missing
from sensorium.wire._envelope import Envelope
from sensorium.wire._fields import ABSENT, FieldMap, Found, header_text
from sensorium.wire._json import parse_json
from sensorium.wire._times import read_time

__all__ = ["content_type_of", "from_base64", "read_json", "read_raw"]


def read_json(record: Record, data: bytes, fields: FieldMap, max_depth: int) -> Envelope:
    """Read a record that is a JSON object.

    A key or time that is not at its place is the record's. ``heartbeat: true`` makes it a
    heartbeat, unless the whole object is the data.

    Raises
    ------
    WireError
        Naming the field at fault.
    """
    value = parse_json(data, max_depth)
    expect(value, dict, "$")
    found = Found(record, fields, value)
    heartbeat = fields.data != "" and value.get("heartbeat") is True
    key = found.text(fields.key) if heartbeat else found.key(fields.key)
    time = _exact_time(found, data, max_depth)
    if time is None:
        raise missing(found.where(fields.time))
    payload = Payload(None, None, record.headers)
    if not heartbeat:
        if key is None:
            raise missing(found.where(fields.key))
        content = found.get(fields.data)
        if content is ABSENT:
            raise missing(found.where(fields.data))
        payload = _json_payload(content, found.where(fields.data), record)
    return Envelope(
        stream=found.text(fields.stream),
        key=key,
        time=time,
        payload=payload,
        id=found.text(fields.id),
        duration=found.duration(fields.duration),
        heartbeat=heartbeat,
    )


def _exact_time(found: Found, data: bytes, max_depth: int) -> int | None:
    """The time; one with a fraction is taken as it is written, not as a float has it."""
    path = found.fields.time
    if type(found.get(path)) is not float:
        return found.time(path)
    written = Found(found.record, found.fields, parse_json(data, max_depth, exact=True))
    return read_time(written.get(path), found.fields.time_unit, found.where(path))


def _json_payload(content: Any, field: str, record: Record) -> Payload:
    if type(content) is dict and "base64" in content and content.keys() <= {"base64", "type"}:
        media_type = content.get("type")
        if media_type is not None:
            expect_text(media_type, f"{field}.type")
        data = from_base64(content["base64"], f"{field}.base64")
        return Payload(data, media_type, record.headers)
    return Payload(content, None, record.headers)


def from_base64(text: Any, field: str) -> bytes:
    """The bytes of a base64 text, or a `WireError`."""
    expect(text, str, field)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise WireError("Malformed base64", field=field) from None


def read_raw(record: Record, data: bytes, fields: FieldMap) -> Envelope:
    """Read a record whose value is the payload; what else is known is in its headers.

    Raises
    ------
    WireError
        If a header is malformed.
    """
    found = Found(record, fields, _HeaderTexts(record), prefix="header:")
    return Envelope(
        stream=found.text(fields.stream),
        key=found.key(fields.key),
        time=found.time(fields.time),
        payload=Payload(data, content_type_of(record), record.headers),
        id=found.text(fields.id),
        duration=found.duration(fields.duration),
    )


class _HeaderTexts(dict[str, str]):
    """The headers as text, each decoded only when it is asked for."""

    def __init__(self, record: Record) -> None:
        super().__init__()
        self._record = record

    def __contains__(self, name: object) -> bool:
        return name in self._record.headers

    def __getitem__(self, name: str) -> str:
        return header_text(self._record, name)


def content_type_of(record: Record) -> str | None:
    """The transport's content type, or None."""
    for name in ("content-type", "Content-Type", "contentType"):
        if name in record.headers:
            return header_text(record, name)
    return None
