"""CloudEvents 1.0 over Kafka, in binary and in structured mode.

The specification: https://github.com/cloudevents/spec (``kafka-protocol-binding.md``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sensorium.errors import WireError
from sensorium.plugin import Payload, Record
from sensorium.wire._checks import expect, expect_text, missing
from sensorium.wire._envelope import CONTENT_TYPE, Envelope
from sensorium.wire._fields import FieldMap, Found, header_text
from sensorium.wire._json import parse_json
from sensorium.wire._msgpack import decode_value
from sensorium.wire._payloads import content_type_of, from_base64

__all__ = ["STRUCTURED", "is_json", "is_msgpack", "media_type_of", "read_cloudevent"]

#: The media type of structured mode.
STRUCTURED: Final = "application/cloudevents+json"

_PREFIX: Final = "ce_"


def read_cloudevent(
    record: Record, data: bytes, fields: FieldMap, max_bytes: int, max_depth: int
) -> Envelope:
    """Read a CloudEvent.

    The key is the attribute ``subject`` unless the field map names another one, then the record's
    key; the id is ``source#id``, since only the two together are unique.

    Raises
    ------
    WireError
        If a required attribute is missing, or one is malformed.
    """
    if any(name.startswith(_PREFIX) for name in record.headers):
        prefix = "header:ce_"
        attributes: Mapping[str, Any] = {
            name.removeprefix(_PREFIX): header_text(record, name)
            for name in record.headers
            if name.startswith(_PREFIX)
        }
        content_type = content_type_of(record)
        content = _binary_data(data, content_type, max_bytes, max_depth)
    else:
        prefix = "$."
        attributes = parse_json(data, max_depth)
        expect(attributes, dict, "$")
        content = _structured_data(attributes)
        content_type = attributes.get("datacontenttype")
        if content_type is not None:
            expect_text(content_type, "$.datacontenttype")
    _check_version(attributes, prefix)
    found = Found(record, fields, attributes, prefix)
    key_name = fields.key if "key" in fields.model_fields_set else "subject"
    return Envelope(
        stream=found.text(fields.stream),
        key=found.key(key_name),
        time=found.time(fields.time),
        payload=Payload(content, content_type, record.headers),
        id=f"{_required(attributes, 'source', prefix)}#{_required(attributes, 'id', prefix)}",
        duration=found.duration(fields.duration),
    )


def _check_version(attributes: Mapping[str, Any], prefix: str) -> None:
    version = _required(attributes, "specversion", prefix)
    if version.partition(".")[0] != "1":
        raise WireError(
            f"CloudEvents version {version[:20]!r} is not known; this reader knows 1.0",
            field=f"{prefix}specversion",
        )


def _required(attributes: Mapping[str, Any], name: str, prefix: str) -> str:
    if name not in attributes:
        raise missing(prefix + name)
    return expect_text(attributes[name], prefix + name)


def _binary_data(data: bytes, content_type: str | None, max_bytes: int, max_depth: int) -> Any:
    if is_json(content_type):
        return parse_json(data, max_depth)
    if is_msgpack(content_type):
        return decode_value(data, max_bytes=max_bytes, max_depth=max_depth)
    return data


def _structured_data(event: Mapping[str, Any]) -> Any:
    if "data_base64" in event:
        if "data" in event:
            raise WireError("Expected one of data and data_base64, got both", field="$.data")
        return from_base64(event["data_base64"], "$.data_base64")
    return event.get("data")


def is_json(content_type: str | None) -> bool:
    """Whether a media type is of JSON."""
    media_type = media_type_of(content_type)
    return media_type in ("application/json", "text/json") or media_type.endswith("+json")


def is_msgpack(content_type: str | None) -> bool:
    """Whether a media type is of msgpack."""
    return media_type_of(content_type) in (
        CONTENT_TYPE,
        "application/msgpack",
        "application/x-msgpack",
    )


def media_type_of(content_type: str | None) -> str:
    """A content type without its parameters, in lower case; empty where there is none."""
    return (content_type or "").partition(";")[0].strip().lower()
