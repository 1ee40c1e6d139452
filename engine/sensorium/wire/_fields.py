"""Where a record's key, time and the rest are found."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sensorium.errors import WireError
from sensorium.plugin import Record
from sensorium.wire._checks import bounded_key, expect_text, in_int64
from sensorium.wire._times import TimeUnit, read_duration, read_time

__all__ = ["ABSENT", "FieldMap", "Found", "header_text", "look_up", "record_key", "record_time"]

HEADER: Final = "header:"
#: What `look_up` gives where there is nothing; None is a value.
ABSENT: Final = object()


class FieldMap(BaseModel):
    """Where the fields of an event are found in records that carry no Sensorium envelope.

    Parameters
    ----------
    stream, key, time, id, duration, data
        A dotted path into the JSON object (``device.id``, ``readings.0.at``; a field whose name
        holds the dots is found too), the name of a header in the raw format, or that of a
        CloudEvents attribute. ``header:NAME`` is a transport header in every format;
        ``record:key`` and ``record:time`` are the transport's own. `data` may be empty: the whole
        object.
    time_unit
        The unit of a time or duration that is a number: ``ns``, ``us``, ``ms`` or ``s``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    stream: str = Field(default="stream", min_length=1)
    key: str = Field(default="key", min_length=1)
    time: str = Field(default="time", min_length=1)
    id: str = Field(default="id", min_length=1)
    duration: str = Field(default="duration", min_length=1)
    data: str = "data"
    time_unit: TimeUnit = "ns"

    @field_validator("stream", "key", "time", "id", "duration", "data")
    @classmethod
    def _known_place(cls, value: str) -> str:
        if value.startswith("record:") and value not in ("record:key", "record:time"):
            raise ValueError(f"{value!r} is not known; there are 'record:key' and 'record:time'")
        if value == HEADER:
            raise ValueError("'header:' needs the header's name, as 'header:device'")
        return value


class Found:
    """The fields of one record, read one by one with the checks that each needs.

    Parameters
    ----------
    record
        The record.
    fields
        Where they are.
    values
        What paths lead into: the JSON object, the headers as text, the CloudEvents attributes.
    prefix
        How an error writes a path: ``$.``, ``header:`` or ``ce:``.
    """

    def __init__(
        self, record: Record, fields: FieldMap, values: Mapping[str, Any], prefix: str = "$."
    ) -> None:
        self.record = record
        self.fields = fields
        self.values = values
        self.prefix = prefix

    def get(self, path: str) -> Any:
        """The value at a place, or `ABSENT`."""
        if path.startswith(HEADER):
            name = path.removeprefix(HEADER)
            return header_text(self.record, name) if name in self.record.headers else ABSENT
        if path == "record:key":
            key = record_key(self.record)
            return ABSENT if key is None else key
        if path == "record:time":
            return ABSENT if self.record.time is None else self.record.time
        return look_up(self.values, path)

    def where(self, path: str) -> str:
        """A place, as an error names it."""
        return path if path.startswith((HEADER, "record:")) else self.prefix + path

    def text(self, path: str) -> str | None:
        """Text, or None where there is none."""
        value = self.get(path)
        return None if value is ABSENT else expect_text(value, self.where(path))

    def key(self, path: str) -> str | None:
        """The key there, else the record's."""
        key = bounded_key(self.text(path), self.where(path))
        return record_key(self.record) if key is None else key

    def time(self, path: str) -> int | None:
        """The time there, else the record's; in ns."""
        value = self.get(path)
        if value is ABSENT or path == "record:time":
            return record_time(self.record)
        return read_time(value, self.fields.time_unit, self.where(path))

    def duration(self, path: str) -> int | None:
        """The duration in ns, or None where there is none."""
        value = self.get(path)
        if value is ABSENT:
            return None
        return read_duration(value, self.fields.time_unit, self.where(path))


def header_text(record: Record, name: str) -> str:
    """A header as text."""
    try:
        return bytes(record.headers[name]).decode()
    except UnicodeDecodeError:
        raise WireError("Expected text in UTF-8, got other bytes", field=HEADER + name) from None


def record_key(record: Record) -> str | None:
    """The transport's key as text, or None where there is none."""
    if record.key is None:
        return None
    try:
        return bounded_key(record.key.decode(), "record:key")
    except UnicodeDecodeError:
        raise WireError("Expected text in UTF-8, got other bytes", field="record:key") from None


def record_time(record: Record) -> int | None:
    """The transport's event time in ns, or None where there is none."""
    return None if record.time is None else in_int64(record.time, "record:time")


def look_up(value: Any, path: str) -> Any:
    """What a dotted path leads to, or `ABSENT`; an empty path leads to the whole."""
    if not path:
        return value
    if isinstance(value, Mapping) and path in value:
        return value[path]
    for step in _steps(path):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step[:9]) < len(value):
            value = value[int(step[:9])]
        else:
            return ABSENT
    return value


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))
