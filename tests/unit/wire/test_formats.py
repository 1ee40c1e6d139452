from __future__ import annotations

import json

import msgpack
import pytest
from pydantic import ValidationError

from sensorium.errors import WireError
from sensorium.plugin import Payload
from sensorium.wire import Envelope, FieldMap, detect_format, read_record


def test_a_json_object_is_read(record):
    data = b'{"stream":"s","key":"k","time":5,"id":"i","duration":20,"data":{"x":[1,2.5]}}'
    assert read_record(record(data)) == Envelope("s", "k", 5, Payload({"x": [1, 2.5]}), "i", 20)


def test_json_fields_are_found_where_the_map_says(record):
    fields = FieldMap(
        stream="header:kind", key="device.id", time="readings.0.at", data="", time_unit="s"
    )
    value = {"device": {"id": "d7"}, "readings": [{"at": 1.5}], "id": "q"}
    envelope = read_record(
        record(json.dumps(value).encode(), headers={"kind": b"accel"}), "json", fields
    )
    assert (envelope.stream, envelope.key, envelope.time, envelope.id) == (
        "accel", "d7", 1_500_000_000, "q",
    )  # fmt: skip
    assert envelope.payload.data == value


def test_a_field_whose_name_holds_a_dot_is_found(record):
    fields = FieldMap(key="device.id")
    assert read_record(record(b'{"device.id":"d","time":1,"data":0}'), "json", fields).key == "d"


def test_the_record_gives_key_and_time_that_the_object_lacks(record):
    envelope = read_record(record(b'{"data":1}', key=b"k", time=4))
    assert (envelope.key, envelope.time) == ("k", 4)
    fields = FieldMap(key="record:key", time="record:time")
    envelope = read_record(
        record(b'{"key":"other","time":1,"data":1}', key=b"k", time=4), "json", fields
    )
    assert (envelope.key, envelope.time) == ("k", 4)


def test_a_json_time_with_a_fraction_is_exact(record):
    data = b'{"key":"k","time":1700000000.123456789,"data":0.1}'
    envelope = read_record(record(data), fields=FieldMap(time_unit="s"))
    assert envelope.time == 1_700_000_000_123_456_789
    assert envelope.payload.data == 0.1
    assert type(envelope.payload.data) is float


def test_base64_in_json_becomes_bytes(record):
    data = b'{"key":"k","time":1,"data":{"base64":"AAH/","type":"image/png"}}'
    assert read_record(record(data)).payload == Payload(b"\x00\x01\xff", "image/png")


def test_a_json_heartbeat(record):
    assert read_record(record(b'{"stream":"s","time":5,"heartbeat":true}', key=b"k")) == Envelope(
        "s", None, 5, Payload(None), heartbeat=True
    )
    value = {"heartbeat": True, "key": "k", "time": 1}
    envelope = read_record(record(json.dumps(value).encode()), "json", FieldMap(data=""))
    assert envelope.payload.data == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[1]", "Expected `map`, got `list` - at `$`"),
        (b'{"time":1,"data":1}', "Missing required field - at `$.key`"),
        (b'{"key":"k","data":1}', "Missing required field - at `$.time`"),
        (b'{"key":"k","time":1}', "Missing required field - at `$.data`"),
        (b'{"key":17,"time":1,"data":1}', "Expected `str`, got `int` - at `$.key`"),
        (b'{"key":"\\ud800","time":1,"data":1}',
         "Expected Unicode text, got a lone surrogate - at `$.key`"),
        (b'{"key":"k","time":true,"data":1}',
         "Expected a time (a number or ISO 8601 text), got `bool` - at `$.time`"),
        (b'{"key":"k","time":1,"data":NaN}',
         "Malformed JSON: NaN is not a JSON number - at `$`"),
        (b'{"key":"k","time":1,"data":-Infinity}',
         "Malformed JSON: -Infinity is not a JSON number - at `$`"),
        (b'{"key":"k","key":"l","time":1}', "The key 'key' occurs twice in one map - at `$`"),
        (b'{"key":', "Malformed JSON at character 7: Expecting value - at `$`"),
        (b'{"k\xff":1}', "Expected JSON in UTF-8, got another byte at 3 - at `$`"),
        (b'{"key":' + b"1" * 5000 + b"}",
         "Malformed JSON: a number has too many digits - at `$`"),
        (b'{"a":' + b"[" * 90_000, "Nested deeper than 32 levels - at `$`"),
        (b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", "Nested deeper than 32 levels - at `$`"),
        (b'{"key":"k","time":1,"data":{"base64":"?"}}', "Malformed base64 - at `$.data.base64`"),
        (b'{"key":"k","time":1,"data":{"base64":1}}',
         "Expected `str`, got `int` - at `$.data.base64`"),
        (b'{"key":"k","time":1,"data":1,"duration":-1}',
         "Expected a duration such as 20 or '250ms', not negative - at `$.duration`"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_json_is_named(record, data, message):
    with pytest.raises(WireError) as caught:
        read_record(record(data), "json")
    assert str(caught.value) == message


def test_a_key_is_not_longer_than_what_is_written_of_it_may_be(record):
    def key_of(key, **more):
        return read_record(record(json.dumps({"key": key, "time": 1, "data": 0}).encode(), **more))

    said = "Expected a key of at most 16,384 characters, got 16,385"
    assert key_of("\u00e4" * 16_384).key == "\u00e4" * 16_384
    with pytest.raises(WireError, match=rf"^{said} - at `\$.key`$"):
        key_of("k" * 16_385)
    packed = msgpack.packb({"v": 1, "key": "k" * 16_385, "time": 1, "data": 0})
    with pytest.raises(WireError, match=rf"^{said} - at `\$.key`$"):
        read_record(record(packed))
    headers = {"key": b"k" * 16_385, "time": b"1"}
    with pytest.raises(WireError, match=rf"^{said} - at `header:key`$"):
        read_record(record(b"", headers=headers), "raw")
    for kind in ("raw", "json"):
        with pytest.raises(WireError, match=rf"^{said} - at `record:key`$"):
            read_record(record(b'{"time":1,"data":0}', key=b"k" * 16_385, time=1), kind)


def test_the_number_of_containers_in_json_is_limited_but_not_brackets_in_text(record):
    crowd = b'{"key":"k","time":1,"data":[' + b"[]," * 100_000 + b"[]]}"
    with pytest.raises(WireError, match="More than 100000 lists and maps"):
        read_record(record(crowd))
    text = '[{"\\' * 100_000
    data = json.dumps({"key": "k", "time": 1, "data": text}).encode()
    assert read_record(record(data)).payload.data == text
    unfinished = b'{"a":"' + b"[" * 100_001 + b'\\"' * 1_000_000
    with pytest.raises(WireError, match="Malformed JSON at character 5: Unterminated string"):
        read_record(record(unfinished))


def test_a_raw_record_takes_key_and_time_from_headers_else_from_the_record(record):
    bare = record(b"\x00\x01", key=b"k", time=4)
    assert read_record(bare, "raw") == Envelope(None, "k", 4, Payload(b"\x00\x01"))
    headers = {
        "stream": b"cam",
        "key": b"h",
        "time": b"2024-01-01T00:00:00Z",
        "duration": b"40ms",
        "id": b"f1",
        "content-type": b"image/jpeg",
    }
    assert read_record(record(b"x", key=b"k", time=4, headers=headers)) == Envelope(
        "cam", "h", 1_704_067_200 * 10**9, Payload(b"x", "image/jpeg", headers), "f1", 40_000_000
    )


def test_a_raw_record_that_says_nothing_has_no_key_and_no_time(record):
    assert read_record(record(b"\xff")) == Envelope(None, None, None, Payload(b"\xff"))


def test_undecodable_keys_and_headers_are_named(record):
    with pytest.raises(WireError, match="Expected text in UTF-8, got other bytes - at `record:key"):
        read_record(record(b"x", key=b"\xff"), "raw")
    with pytest.raises(WireError, match="UTF-8, got other bytes - at `header:device`"):
        read_record(record(b"x", headers={"device": b"\xff"}), "raw", FieldMap(key="header:device"))


CE = {
    "ce_specversion": b"1.0",
    "ce_id": b"7",
    "ce_source": b"/dev/1",
    "ce_type": b"reading",
    "ce_time": b"2024-01-01T00:00:00.000000001+00:00",
    "ce_subject": b"p1",
}


def test_a_cloudevent_in_binary_mode_is_read(record):
    headers = CE | {"content-type": b"application/json; charset=utf-8"}
    envelope = read_record(record(b'{"x":1}', headers=headers))
    assert envelope == Envelope(
        None,
        "p1",
        1_704_067_200_000_000_001,
        Payload({"x": 1}, "application/json; charset=utf-8", headers),
        "/dev/1#7",
    )
    data = msgpack.packb([1])
    headers = CE | {"content-type": b"application/msgpack"}
    assert read_record(record(data, headers=headers)).payload.data == [1]
    assert read_record(record(b"\x01", headers=CE)).payload.data == b"\x01"


def test_a_cloudevent_in_structured_mode_is_read(record):
    event = {
        "specversion": "1.0", "id": "7", "source": "/dev/1", "type": "t", "subject": "p1",
        "time": "2024-01-01T00:00:00Z", "datacontenttype": "image/png", "data_base64": "AAE=",
    }  # fmt: skip
    headers = {"content-type": b"application/cloudevents+json"}
    envelope = read_record(record(json.dumps(event).encode(), headers=headers))
    assert (envelope.key, envelope.id, envelope.time) == ("p1", "/dev/1#7", 1_704_067_200 * 10**9)
    assert envelope.payload == Payload(b"\x00\x01", "image/png", headers)


def test_the_key_of_a_cloudevent_can_be_another_attribute(record):
    headers = CE | {"ce_partitionkey": b"pk"}
    fields = FieldMap(key="partitionkey")
    assert read_record(record(b"", headers=headers), fields=fields).key == "pk"
    without = {name: value for name, value in CE.items() if name != "ce_subject"}
    assert read_record(record(b"", headers=without, key=b"rk")).key == "rk"


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"ce_specversion": b"2.0"},
         "CloudEvents version '2.0' is not known; this reader knows 1.0 - at "
         "`header:ce_specversion`"),
        ({"ce_time": b"yesterday"},
         "Expected a time as ISO 8601 with its zone, such as 2024-05-01T12:00:00.5Z - at "
         "`header:ce_time`"),
        ({"ce_id": None}, "Missing required field - at `header:ce_id`"),
        ({"ce_source": None}, "Missing required field - at `header:ce_source`"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_cloudevent_is_named(record, headers, message):
    merged = {name: value for name, value in (CE | headers).items() if value is not None}
    with pytest.raises(WireError) as caught:
        read_record(record(b"", headers=merged), "cloudevents")
    assert str(caught.value) == message


def test_a_structured_cloudevent_with_two_kinds_of_data_is_refused(record):
    event = {"specversion": "1.0", "id": "7", "source": "s", "data": 1, "data_base64": "AAE="}
    with pytest.raises(WireError, match="Expected one of data and data_base64, got both"):
        read_record(record(json.dumps(event).encode()), "cloudevents")


@pytest.mark.parametrize(
    ("data", "headers", "expected"),
    [
        (msgpack.packb({"v": 1}), {}, "envelope"),
        (msgpack.packb({"time": 1, "key": "k", "v": 1}), {}, "envelope"),
        (msgpack.packb({"v": 1})[:-1], {}, "envelope"),
        (msgpack.packb({str(i): i for i in range(20)} | {"v": 1}), {}, "envelope"),
        (msgpack.packb({"w": 1}), {}, "raw"),
        (b' \n{"a":1}', {}, "json"),
        (b"[1]", {}, "raw"),
        (b"", {}, "raw"),
        (b"\x81", {}, "raw"),
        (b"\x89PNG\r\n\x1a\n\xa1v", {}, "raw"),
        (b"{}", {"content-type": b"text/plain"}, "raw"),
        (b"{}", {"content-type": b"application/vnd.msgpack"}, "envelope"),
        (b"x", {"Content-Type": b"Application/JSON; charset=utf-8"}, "json"),
        (b"x", {"content-type": b"application/vnd.acme+json"}, "json"),
        (b"x", {"content-type": b"application/cloudevents+json; charset=utf-8"}, "cloudevents"),
        (b"x", {"ce_specversion": b"1.0", "content-type": b"application/json"}, "cloudevents"),
    ],
)
def test_the_format_is_found_from_headers_and_first_bytes(record, data, headers, expected):
    assert detect_format(record(data, headers=headers)) == expected


def test_an_unknown_format_is_refused(record):
    with pytest.raises(ValueError, match="'xml' is not a wire format; there are auto, envelope"):
        read_record(record(b""), "xml")


@pytest.mark.parametrize(
    "wrong", [{"key": ""}, {"key": "record:offset"}, {"key": "header:"}, {"unit": "s"}]
)
def test_a_field_map_is_strict(wrong):
    with pytest.raises(ValidationError):
        FieldMap(**wrong)
