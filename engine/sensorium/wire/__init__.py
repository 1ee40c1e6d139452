"""The wire: envelopes, other formats, predictions, dead letters and recordings."""

from sensorium.wire._arrays import ARRAY_EXTENSION
from sensorium.wire._checks import MAX_BYTES, MAX_DEPTH
from sensorium.wire._dead_letter import (
    dead_letter_from_dict,
    dead_letter_json,
    dead_letter_to_dict,
)
from sensorium.wire._dead_letter_headers import (
    attempts_of,
    dead_letter_from_record,
    dead_letter_headers,
    replayed_headers,
)
from sensorium.wire._envelope import CONTENT_TYPE, Envelope, write_envelope
from sensorium.wire._fields import FieldMap
from sensorium.wire._layout import Layout, Stack
from sensorium.wire._msgpack import decode_value, encode_value
from sensorium.wire._prediction import prediction_from_dict, prediction_json, prediction_to_dict
from sensorium.wire._read import RecordReader, WireFormat, detect_format, read_record
from sensorium.wire._recording import RecordingWriter
from sensorium.wire._recording_reader import RecordingReader, read_recording
from sensorium.wire._schemas import dead_letter_schema, prediction_schema
from sensorium.wire._times import TimeUnit

__all__ = [
    "ARRAY_EXTENSION",
    "CONTENT_TYPE",
    "MAX_BYTES",
    "MAX_DEPTH",
    "Envelope",
    "FieldMap",
    "Layout",
    "RecordReader",
    "RecordingReader",
    "RecordingWriter",
    "Stack",
    "TimeUnit",
    "WireFormat",
    "attempts_of",
    "dead_letter_from_dict",
    "dead_letter_from_record",
    "dead_letter_headers",
    "dead_letter_json",
    "dead_letter_schema",
    "dead_letter_to_dict",
    "decode_value",
    "detect_format",
    "encode_value",
    "prediction_from_dict",
    "prediction_json",
    "prediction_schema",
    "prediction_to_dict",
    "read_record",
    "read_recording",
    "replayed_headers",
    "write_envelope",
]
