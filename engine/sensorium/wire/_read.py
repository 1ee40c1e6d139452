"""From a source's record to an envelope, whatever its format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, Literal, TypeAlias

from sensorium.errors import WireError
from sensorium.plugin import Record
from sensorium.wire._checks import MAX_BYTES, MAX_DEPTH
from sensorium.wire._cloudevents import (
    STRUCTURED,
    is_json,
    is_msgpack,
    media_type_of,
    read_cloudevent,
)
from sensorium.wire._envelope import Envelope, read_envelope
from sensorium.wire._fields import FieldMap
from sensorium.wire._layout import Layout, Stack, layout_of
from sensorium.wire._payloads import content_type_of, read_json, read_raw

__all__ = ["RecordReader", "WireFormat", "detect_format", "read_record"]

#: How the records of a topic are written.
WireFormat: TypeAlias = Literal["auto", "envelope", "json", "raw", "cloudevents"]

_DEFAULT_FIELDS: Final = FieldMap()
#: An envelope begins with the field ``v`` or has it soon, before any long data.
_HEAD: Final = 512
#: In how many records of a topic a reader looks for layouts, and how many it tries for a record.
_LOOKED: Final = 1024
_LAYOUTS_OF_A_SIZE: Final = 8
_NO_LAYOUTS: Final[list[Layout]] = []


class RecordReader:
    """Reads records that are written in one way, and remembers how envelopes are laid out.

    It gives what `read_record` gives; envelopes of arrays are read in a quarter of the time. Only
    one thread may use it.

    Parameters
    ----------
    format, fields
        As of `read_record`.
    """

    def __init__(
        self,
        format: WireFormat = "auto",  # noqa: A002
        fields: FieldMap = _DEFAULT_FIELDS,
    ) -> None:
        self._format: WireFormat = format
        self._fields = fields
        #: Whether what begins as an envelope is one, where there are no headers.
        self._is_plain = format in ("auto", "envelope")
        #: By topic and length of the record, so that few have to be tried.
        self._layouts: dict[tuple[str, int], list[Layout]] = {}
        self._looked: Counter[str] = Counter()

    def read(self, record: Record) -> Envelope:
        """Read the envelope of a record; see `read_record`."""
        data = record.data
        place = (record.topic, 0 if data is None else len(data))
        known = self._layouts.get(place, _NO_LAYOUTS)
        if (
            known
            and type(data) is bytes
            and ((self._is_plain and not record.headers) or self._by_beginning(record))
        ):
            for layout in known:
                envelope = layout.read(record, data)
                if envelope is not None:
                    return envelope
        envelope = read_record(record, self._format, self._fields)
        if (
            type(data) is bytes
            and len(known) < _LAYOUTS_OF_A_SIZE
            and self._looked[record.topic] < _LOOKED
        ):
            self._looked[record.topic] += 1
            self._learn(record, data, envelope)
        return envelope

    def stacks(
        self, records: Sequence[Record], rows: Sequence[int]
    ) -> Iterator[tuple[Layout, Stack]]:
        """Read those records at once that are laid out as ones before; what is left is for `read`.

        Parameters
        ----------
        records
            As a source gave them.
        rows
            Which of them: of one topic and one length, with bytes and without headers.

        Yields
        ------
        Layout, Stack
            What the layout says of all its envelopes, and where these differ; the rows of a
            stack are places in `records`.
        """
        first = records[rows[0]]
        assert first.data is not None
        known = self._layouts.get((first.topic, len(first.data))) if self._is_plain else None
        left = list(rows)
        for layout in known or ():
            if not left:
                return
            stack = layout.stack([records[row].data or b"" for row in left])
            if stack.rows:
                yield layout, replace(stack, rows=[left[row] for row in stack.rows])
                taken = set(stack.rows)
                left = [row for at, row in enumerate(left) if at not in taken]

    def _by_beginning(self, record: Record) -> bool:
        """Whether a record that begins as an envelope is read as one."""
        if self._format == "auto":
            return detect_format(record) == "envelope"
        return self._format == "envelope"

    def _learn(self, record: Record, data: bytes, envelope: Envelope) -> None:
        if self._format != "envelope" and (
            self._format != "auto" or detect_format(record) != "envelope"
        ):
            return
        layout = layout_of(data, envelope)
        if layout is not None and _looks_like_envelope(layout.head):
            self._layouts.setdefault((record.topic, len(data)), []).append(layout)


def read_record(
    record: Record,
    format: WireFormat = "auto",  # noqa: A002
    fields: FieldMap = _DEFAULT_FIELDS,
    *,
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
) -> Envelope:
    """Read the envelope of a record.

    Parameters
    ----------
    record
        As a source gave it.
    format
        How it is written; ``"auto"`` finds out by `detect_format`.
    fields
        Where the fields are, for all formats but ``"envelope"``.
    max_bytes, max_depth
        A larger value and a deeper nesting of its lists and maps are refused.

    Returns
    -------
    Envelope
        Arrays in its payload are read-only views over ``record.data``.

    Raises
    ------
    WireError
        Whatever is wrong with the record, naming the field. No input raises anything else.
    """
    data = record.data
    if data is None:
        raise WireError("The record has no value (it is a tombstone)")
    if len(data) > max_bytes:
        raise WireError(f"{len(data)} bytes exceed the limit of {max_bytes}")
    if format == "auto":
        format = detect_format(record)  # noqa: A001
    if format == "envelope":
        return read_envelope(record, data, max_bytes, max_depth)
    if format == "json":
        return read_json(record, data, fields, max_depth)
    if format == "cloudevents":
        return read_cloudevent(record, data, fields, max_bytes, max_depth)
    if format == "raw":
        return read_raw(record, data, fields)
    raise ValueError(
        f"{format!r} is not a wire format; there are auto, envelope, json, raw, cloudevents"
    )


def detect_format(record: Record) -> WireFormat:
    """How a record is written, from its headers, else from its first bytes.

    In this order: a ``ce_specversion`` header is a CloudEvent (its content type is that of its
    data); a ``content-type`` header decides by itself; a msgpack map with the field ``v`` is an
    envelope; what begins with ``{`` is JSON; all else is raw.
    """
    if record.headers:
        if "ce_specversion" in record.headers:
            return "cloudevents"
        content_type = content_type_of(record)
        if content_type is not None:
            return _by_content_type(content_type)
    data = record.data or b""
    if _looks_like_envelope(data):
        return "envelope"
    return "json" if data[:64].lstrip(b" \t\r\n").startswith(b"{") else "raw"


def _by_content_type(content_type: str) -> WireFormat:
    if media_type_of(content_type) == STRUCTURED:
        return "cloudevents"
    if is_msgpack(content_type):
        return "envelope"
    return "json" if is_json(content_type) else "raw"


def _looks_like_envelope(data: bytes) -> bool:
    """Whether it begins as a msgpack map whose first key is short text, and has a ``v`` near."""
    if not data or not (0x81 <= data[0] <= 0x8F or data[0] in (0xDE, 0xDF)):
        return False
    first_key = {0xDE: 3, 0xDF: 5}.get(data[0], 1)
    if len(data) <= first_key or not 0xA0 <= data[first_key] < 0xC0:
        return False
    return b"\xa1v" in data[:_HEAD]
