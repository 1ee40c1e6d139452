"""A record with its times moved, so that what was recorded can be sent as if it were new."""

from __future__ import annotations

from dataclasses import replace

from sensorium.errors import WireError
from sensorium.plugin import Record
from sensorium.wire import FieldMap, WireFormat, decode_value, detect_format, encode_value

__all__ = ["shifted"]


def shifted(record: Record, by: int, form: WireFormat, fields: FieldMap) -> Record:
    """The record with its event time, and its transport's, moved.

    Parameters
    ----------
    record
        As it was recorded.
    by
        How far, in ns.
    form, fields
        How it is read, as in `sensorium.wire.read_record`.

    Raises
    ------
    WireError
        If the time stands in a body that is no envelope, and so cannot be moved without writing
        the body anew; or the record cannot be read.
    """
    moved = None if record.time is None else record.time + by
    if form == "auto":
        form = detect_format(record)
    if form == "envelope":
        envelope = decode_value(record.data or b"")
        if not isinstance(envelope, dict) or not isinstance(envelope.get("time", 0), int):
            raise WireError("This is no envelope")
        if "time" in envelope:
            envelope["time"] += by
        return replace(record, data=encode_value(envelope), time=moved)
    if form == "raw" and fields.time not in record.headers and not fields.time.startswith("header"):
        return replace(record, time=moved)
    raise WireError(f"The time of a record in the format {form} cannot be moved", field="time")
