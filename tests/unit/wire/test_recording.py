from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.writer import CompressionType, IndexType, Writer

from sensorium.errors import RunError, WireError
from sensorium.plugin import Payload, Record
from sensorium.wire import (
    Envelope,
    RecordingReader,
    RecordingWriter,
    read_recording,
    write_envelope,
)


def make(topic="a", partition=0, offset=0, data=b"x", arrived=10, **fields):
    return Record(topic, partition, offset, data, arrived=arrived, **fields)


def write(path, records):
    with RecordingWriter(path) as writer:
        for record in records:
            writer.write(record)


RECORDS = st.lists(
    st.builds(
        Record,
        topic=st.sampled_from(["a", "b"]),
        partition=st.integers(0, 2),
        offset=st.integers(0, 2**40),
        data=st.none() | st.binary(max_size=20),
        key=st.none() | st.binary(max_size=5),
        headers=st.dictionaries(st.text(max_size=4), st.binary(max_size=4), max_size=20),
        time=st.none() | st.integers(0, 2**63 - 1),
        arrived=st.just(0),
    ),
    max_size=20,
)


@given(RECORDS, st.data())
@settings(max_examples=40, deadline=None)
def test_records_come_back_whole_in_the_order_of_log_time(tmp_path_factory, records, data):
    path = tmp_path_factory.getbasetemp() / "round-trip.mcap"
    times = itertools.accumulate(data.draw(st.integers(0, 3)) for _ in records)
    timed = [
        Record(r.topic, r.partition, r.offset, r.data, r.key, r.headers, r.time, arrived)
        for r, arrived in zip(records, times, strict=True)
    ]
    write(path, timed)
    assert list(read_recording(path)) == timed
    assert list(read_recording(path, ["b"])) == [r for r in timed if r.topic == "b"]


def test_partitions_written_one_after_the_other_are_interleaved_by_log_time(tmp_path):
    path = tmp_path / "r.mcap"
    big = bytes(700_000)  # so that there are several chunks
    first = [make("a", 0, n, big, arrived=n * 10) for n in range(4)]
    second = [make("a", 3, n, big, arrived=n * 10 + 5) for n in range(4)]
    write(path, first + second)
    assert [r.arrived for r in read_recording(path)] == [0, 5, 10, 15, 20, 25, 30, 35]
    with RecordingReader(path) as reader:
        assert reader.partitions == {"a": (0, 3)}


def test_log_time_never_goes_back_within_a_partition(tmp_path):
    path = tmp_path / "r.mcap"
    clock = iter([20, 15, 30]).__next__
    with RecordingWriter(path, clock=clock) as writer:
        for offset in range(3):
            writer.write(make(offset=offset, arrived=None))
    assert [(r.offset, r.arrived) for r in read_recording(path)] == [(0, 20), (1, 20), (2, 30)]


def test_the_publish_time_is_the_event_time(tmp_path):
    path = tmp_path / "r.mcap"
    envelope = write_envelope(Envelope("s", "k", 3, Payload(1)))
    with RecordingWriter(path) as writer:
        writer.write(make(offset=0, data=envelope))
        writer.write(make(offset=1, time=4))
        writer.write(make(offset=2), time=5)
        writer.write(make(offset=3))
    with RecordingReader(path) as reader:
        found = [message.publish_time for message in reader._messages(reader._index.channels)]
    assert found == [3, 4, 5, 10]
    assert [r.time for r in read_recording(path)] == [None, 4, None, None]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"arrived": -1}, "The log time -1 of a/0/0 cannot be recorded"),
        ({"time": -5}, "The event time -5 of a/0/0 cannot be recorded: MCAP holds no times before"),
        ({"time": 2**63}, "The event time 9223372036854775808 of a/0/0 cannot be recorded"),
    ],
)
def test_times_that_mcap_does_not_hold_are_refused_by_name(tmp_path, fields, message):
    with RecordingWriter(tmp_path / "r.mcap") as writer, pytest.raises(WireError, match=message):
        writer.write(make(**fields))


def foreign(path, messages, **options):
    with path.open("wb") as file:
        writer = Writer(file, **options)
        writer.start()
        channels = {}
        for topic, encoding, log_time, data in messages:
            if topic not in channels:
                channels[topic] = writer.register_channel(topic, encoding, 0)
            writer.add_message(channels[topic], log_time, data, log_time - 1)
        writer.finish()


MESSAGES = [("j", "json", 7, b'{"a":1}'), ("j", "json", 5, b"{}"), ("c", "cdr", 6, b"\x01")]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_chunking": False},
        {"index_types": IndexType.NONE},
        {"repeat_channels": False},
        {"compression": CompressionType.LZ4},
        {"compression": CompressionType.NONE, "enable_crcs": False},
    ],
)
def test_recordings_of_other_tools_are_read(tmp_path, options):
    path = tmp_path / "other.mcap"
    foreign(path, MESSAGES, **options)
    json_header = {"content-type": b"application/json"}
    assert list(read_recording(path)) == [
        Record("j", 0, 0, b"{}", None, json_header, 4, 5),
        Record("c", 0, 0, b"\x01", None, {}, 5, 6),
        Record("j", 0, 1, b'{"a":1}', None, json_header, 6, 7),
    ]
    with RecordingReader(path) as reader:
        assert reader.partitions == {"c": (0,), "j": (0,)}


def collect(path, into):
    for record in read_recording(path):
        into.append(record)


def test_a_recording_that_is_cut_off_gives_what_it_holds_and_says_so(tmp_path):
    whole = tmp_path / "whole.mcap"
    records = [make("ab"[n % 2], 0, n, bytes([n]) * 400_000, arrived=n) for n in range(9)]
    write(whole, records)
    data = whole.read_bytes()
    path = tmp_path / "cut.mcap"
    said = rf"{path}: .* cut off or damaged after \d records .* `mcap recover {path} -o NEW\.mcap`"
    counts = set()
    for share in range(0, 100, 7):
        path.write_bytes(data[: 8 + len(data) * share // 100])
        read = []
        with pytest.raises(RunError, match=said):
            collect(path, read)
        assert read == records[: len(read)]
        counts.add(len(read))
    assert 0 in counts
    assert max(counts) >= 6


def test_a_damaged_chunk_is_noticed(tmp_path):
    path = tmp_path / "r.mcap"
    write(path, [make(offset=n, data=bytes(100), arrived=n) for n in range(9)])
    data = bytearray(path.read_bytes())
    data[120] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(RunError, match="cut off or damaged after 0 records"):
        list(read_recording(path))


@given(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_whatever_is_wrong_with_a_file_is_a_run_error(tmp_path_factory, changes):
    base = tmp_path_factory.getbasetemp()
    write(base / "good.mcap", [make("ab"[n % 2], 0, n, bytes(9), arrived=n) for n in range(5)])
    data = bytearray((base / "good.mcap").read_bytes())
    for at, value in changes:
        data[at % len(data)] = value
    path = base / "bad.mcap"
    path.write_bytes(data)
    with contextlib.suppress(RunError):
        list(read_recording(path))


def test_an_empty_recording_has_no_records(tmp_path):
    write(tmp_path / "r.mcap", [])
    assert list(read_recording(tmp_path / "r.mcap")) == []


def test_a_file_that_is_not_there_or_no_recording_is_named(tmp_path):
    with pytest.raises(
        RunError, match=r"none\.mcap: the recording cannot be opened .*No such file"
    ):
        list(read_recording(tmp_path / "none.mcap"))
    (tmp_path / "text.mcap").write_text("hello, this is text")
    with pytest.raises(RunError, match="does not begin as MCAP; is it an MCAP recording"):
        list(read_recording(tmp_path / "text.mcap"))
    with pytest.raises(RunError, match=r"the recording cannot be written .*No such file"):
        RecordingWriter(tmp_path / "no" / "r.mcap")


def test_a_log_time_beyond_64_bits_is_refused_by_name(tmp_path):
    foreign(tmp_path / "r.mcap", [("j", "json", 2**63, b"{}")])
    with pytest.raises(RunError, match="a message of j has the log time 9223372036854775808"):
        list(read_recording(tmp_path / "r.mcap"))


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), min_size=1, max_size=40),
    st.sets(st.sampled_from("ab"), min_size=1),
    st.sampled_from([IndexType.ALL, IndexType.ALL & ~IndexType.MESSAGE]),
)
@settings(max_examples=60, deadline=None)
def test_chunks_that_overlap_come_as_the_library_orders_them(
    tmp_path_factory, messages, topics, indexes
):
    path = tmp_path_factory.getbasetemp() / "overlapping.mcap"
    numbered = [(topic, "json", time + 1, b"%d" % n) for n, (topic, time) in enumerate(messages)]
    foreign(path, numbered, chunk_size=100, index_types=indexes)
    with path.open("rb") as file:
        expected = [it.data for _, _, it in make_reader(file).iter_messages(topics)]
    assert [it.data for it in read_recording(path, topics)] == expected


def test_a_message_of_a_channel_that_is_not_told_is_not_dropped_in_silence(tmp_path):
    path = tmp_path / "r.mcap"
    foreign(path, MESSAGES)
    with RecordingReader(path) as reader:
        [known, _] = reader._index.channels.values()
        reader._index = replace(reader._index, channels={known.id: known})
        with pytest.raises(RunError, match=r"damaged .*a message of the unknown channel 2"):
            list(reader.records())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"offset": "1"}, "Its offset is a `str`"),
        ({"value": [1]}, "Its value is a `list`"),
        ({"time": 0.5}, "Its time is a `float`"),
        ({"headers": {"a": 1}}, "The header 'a' is a `int`"),
        ({"key": msgpack.Timestamp(1)}, "Its key is a `Timestamp`"),
    ],
)
def test_a_recorded_message_of_other_types_is_refused(tmp_path, changed, message):
    fields = {"key": None, "offset": 1, "time": None, "headers": {}, "value": b"", **changed}
    path = recorded(tmp_path / "r.mcap", msgpack.packb(fields))
    with pytest.raises(RunError, match=f"not what Sensorium records .{message}"):
        list(read_recording(path))


@pytest.mark.parametrize(
    ("headers", "extra", "name"),
    [
        (b"\x80", b"\xa6offset\x02", "offset"),
        (b"\x82\xa1a\xc4\x00\xa1a\xc4\x00", b"", "a"),
    ],
)
def test_a_recorded_message_with_a_key_twice_is_refused(tmp_path, headers, extra, name):
    parts = [b"\xa3key\xc0", b"\xa6offset\x01", b"\xa4time\xc0", b"\xa5value\xc4\x00"]
    count = len(parts) + 1 + bool(extra)
    message = bytes([0x80 + count]) + b"".join(parts) + extra + b"\xa7headers" + headers
    path = recorded(tmp_path / "r.mcap", message)
    with pytest.raises(RunError, match=f"not what Sensorium records .*{name}"):
        list(read_recording(path))


def recorded(path, message):
    """A recording of this engine that holds one message."""
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        metadata = {"sensorium": "1", "partition": "0"}
        channel = writer.register_channel("t", "msgpack", 0, metadata)
        writer.add_message(channel, 1, message, 1)
        writer.finish()
    return path


def test_a_message_that_is_not_what_sensorium_records_is_refused(tmp_path):
    for name, metadata, message in [
        ("p", {"sensorium": "1"}, "the channel of t names no partition"),
        ("m", {"sensorium": "1", "partition": "0"}, "a message of t is not what Sensorium records"),
    ]:
        path = tmp_path / f"{name}.mcap"
        with path.open("wb") as file:
            writer = Writer(file)
            writer.start()
            writer.add_message(writer.register_channel("t", "msgpack", 0, metadata), 1, b"\x80", 1)
            writer.finish()
        with pytest.raises(RunError, match=message):
            list(read_recording(path))
