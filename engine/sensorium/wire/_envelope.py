"""The envelope: one event on the wire, version 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sensorium.errors import WireError
from sensorium.plugin import Payload, Record
from sensorium.sealed import sealed
from sensorium.wire._checks import (
    INT64_MAX,
    INT64_MIN,
    bounded_key,
    expect,
    expect_text,
    in_int64,
    missing,
)
from sensorium.wire._fields import record_key, record_time
from sensorium.wire._msgpack import decode_value, encode_value

__all__ = ["CONTENT_TYPE", "Envelope", "read_envelope", "write_envelope"]

#: The media type of an envelope.
CONTENT_TYPE: Final = "application/vnd.msgpack"

_VERSION: Final = 1


@sealed
@dataclass(frozen=True, slots=True)
class Envelope:
    """One event as the wire carries it, its payload not decoded yet.

    Parameters
    ----------
    stream
        The stream's name, where one topic carries several.
    key
        The entity, or None where the record does not say.
    time
        Event time in ns since the epoch, or None where the record does not say.
    payload
        The data with its media type and headers.
    id
        The producer's id of the event.
    duration
        How long it lasts, in ns.
    heartbeat
        Whether it is no event but a promise: nothing older than `time` follows.
    """

    stream: str | None
    key: str | None
    time: int | None
    payload: Payload
    id: str | None = None
    duration: int | None = None
    heartbeat: bool = False


def write_envelope(envelope: Envelope) -> bytes:
    """Write an envelope of version 1 as msgpack.

    Returns
    -------
    bytes
        What `read_record` reads.

    Raises
    ------
    WireError
        If the time is missing, the key of an event is, or a field is of the wrong type or range.
    """
    fields: dict[str, Any] = {"v": _VERSION}
    _put(fields, "stream", envelope.stream)
    _put(fields, "key", envelope.key)
    _put(fields, "time", envelope.time)
    _put(fields, "id", envelope.id)
    _put(fields, "duration", envelope.duration)
    if envelope.heartbeat:
        fields["heartbeat"] = True
    else:
        _put(fields, "type", envelope.payload.content_type)
        if envelope.payload.headers:
            fields["headers"] = dict(envelope.payload.headers)
        fields["data"] = envelope.payload.data
    _checked(fields, record=None)
    return encode_value(fields)


def _put(fields: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        fields[name] = value


def read_envelope(record: Record, data: bytes, max_bytes: int, max_depth: int) -> Envelope:
    """Read an envelope; a key or time that it lacks is the record's.

    Raises
    ------
    WireError
        Naming the field at fault.
    """
    fields = decode_value(data, max_bytes=max_bytes, max_depth=max_depth)
    expect(fields, dict, "$")
    return _checked(fields, record)


def _checked(fields: Mapping[str, Any], record: Record | None) -> Envelope:
    """Check the fields; unknown ones are of a later minor version and are passed over."""
    if "v" not in fields:
        raise missing("$.v")
    version = fields["v"]
    expect(version, int, "$.v")
    if version != _VERSION:
        raise WireError(
            f"Envelope version {version} is not known; this reader knows {_VERSION}",
            field="$.v",
        )
    get = fields.get
    heartbeat = get("heartbeat", False)
    if heartbeat is not False:
        expect(heartbeat, bool, "$.heartbeat")
    key = bounded_key(_text(get("key"), "$.key"), "$.key")
    if key is None and record is not None and not heartbeat:
        # The key of a heartbeat's record only chose its partition; the promise is for all keys.
        key = record_key(record)
    time = _nanoseconds(get("time"), "$.time")
    if time is None and record is not None:
        time = record_time(record)
    duration = _nanoseconds(get("duration"), "$.duration")
    if duration is not None and duration < 0:
        raise WireError("Expected a duration of at least 0", field="$.duration")
    if time is None:
        raise missing("$.time")
    if not heartbeat:
        if key is None:
            raise missing("$.key")
        if "data" not in fields:
            raise missing("$.data")
    headers: Mapping[str, bytes] = {} if record is None else record.headers
    if get("headers") is not None:
        headers = {**headers, **_headers(fields["headers"])}
    return Envelope(
        _text(get("stream"), "$.stream"),
        key,
        time,
        Payload(None if heartbeat else fields["data"], _text(get("type"), "$.type"), headers),
        _text(get("id"), "$.id"),
        duration,
        heartbeat,
    )


def _text(value: Any, field: str) -> str | None:
    if value is None or (type(value) is str and value.isascii()):
        return value
    return expect_text(value, field)


def _nanoseconds(value: Any, field: str) -> int | None:
    if type(value) is int and INT64_MIN <= value <= INT64_MAX:
        return value
    if value is None:
        return None
    expect(value, int, field)
    number: int = value
    return in_int64(number, field)


def _headers(headers: Any) -> dict[str, bytes]:
    expect(headers, dict, "$.headers")
    for name, value in headers.items():
        expect_text(name, "$.headers")
        expect(value, bytes, f"$.headers.{name[:80]}")
    return dict(headers)
