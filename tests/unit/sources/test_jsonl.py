from __future__ import annotations

import os

import pytest

from sensorium.errors import RunError, WireError
from sensorium.wire import read_record
from sensorium_plugins.sources import JsonLinesConfig, JsonLinesSource


@pytest.fixture
def pipe():
    read, write = os.pipe()
    yield read, write
    for descriptor in (read, write):
        try:
            os.close(descriptor)
        except OSError:
            continue


def drain(source, limit=100):
    records = []
    while True:
        batch = source.poll(limit, 5)
        assert len(batch.records) <= limit
        records += batch.records
        if batch.ended:
            return records


def test_each_line_of_a_file_is_a_record(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"a":1}\n\n  \nnot json\r\n{"arrived":5}\n{"arrived":true}\n{"a":2}')
    source = JsonLinesSource(JsonLinesConfig(path=str(path)), ["x"])
    assert source.partitions() == [0]
    records = drain(source, limit=2)
    assert [(r.offset, r.data, r.arrived) for r in records] == [
        (1, b'{"a":1}', None),
        (4, b"not json\r", None),
        (5, b'{"arrived":5}', 5),
        (6, b'{"arrived":true}', None),
        (7, b'{"a":2}', None),
    ]
    assert {(r.topic, r.partition) for r in records} == {("in.jsonl", 0)}
    assert records[1].origin == "in.jsonl/0/4"
    source.close()
    source.close()
    assert source.poll(1, 0).ended


def test_lines_longer_than_a_block_come_whole(tmp_path):
    path = tmp_path / "in.jsonl"
    lines = [b'"' + b"x" * length + b'"' for length in (200_000, 1, 65_534, 65_535, 65_536)]
    path.write_bytes(b"\n".join(lines))
    assert [r.data for r in drain(JsonLinesSource(JsonLinesConfig(path=str(path)), []))] == lines


def test_a_line_that_is_too_long_is_cut_so_that_it_is_refused(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"1" * 300_000 + b'\n{"key":"k","time":1,"data":2}\n')
    source = JsonLinesSource(JsonLinesConfig(path=str(path)), [], max_line=1000)
    long, good = drain(source)
    assert len(long.data) == 1001
    with pytest.raises(WireError, match="1001 bytes exceed the limit of 1000"):
        read_record(long, max_bytes=1000)
    assert (good.offset, read_record(good).key) == (2, "k")


def test_standard_input_is_read_as_lines_come_and_log_time_is_the_clocks(pipe):
    read, write = pipe
    source = JsonLinesSource(JsonLinesConfig(), [], descriptor=read)
    assert source.poll(10, 0).records == []
    os.write(write, b'{"arrived":1}\n{"b"')
    batch = source.poll(10, 5)
    assert [(r.topic, r.offset, r.data, r.arrived) for r in batch.records] == [
        ("-", 1, b'{"arrived":1}', None)
    ]
    assert not batch.ended
    os.write(write, b":2}")
    assert source.poll(10, 0).records == []
    os.close(write)
    assert [r.data for r in drain(source)] == [b'{"b":2}']


def test_a_file_that_is_not_there_or_a_folder_is_named(tmp_path):
    with pytest.raises(RunError, match=r"no\.jsonl: cannot be opened .*check the path"):
        JsonLinesSource(JsonLinesConfig(path=str(tmp_path / "no.jsonl")), []).poll(1, 0)
    with pytest.raises(RunError, match=r"cannot be read .*[Dd]irectory"):
        JsonLinesSource(JsonLinesConfig(path=str(tmp_path)), []).poll(1, 0)
