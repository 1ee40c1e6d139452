from __future__ import annotations

import threading

import pytest
from pydantic import ValidationError

from sensorium.errors import RunError
from sensorium.plugin import Record, TopicPartition
from sensorium.wire import RecordingWriter, read_recording
from sensorium_plugins.sources import McapConfig, McapSource

SECOND = 10**9


@pytest.fixture
def recording(tmp_path):
    """Three records of the topics a, b and a again, a second apart."""
    path = tmp_path / "r.mcap"
    with RecordingWriter(path) as writer:
        for n, (topic, partition) in enumerate([("a", 0), ("b", 1), ("a", 0)]):
            writer.write(Record(topic, partition, n, b"x", arrived=(n + 100) * SECOND))
    return path


def drain(source, limit=100):
    batches = [source.poll(limit, 0)]
    while not batches[-1].ended:
        batches.append(source.poll(limit, 0))
    return batches


def offsets(batches):
    return [record.offset for batch in batches for record in batch.records]


def test_all_records_come_in_log_order_and_then_the_end(recording):
    source = McapSource(McapConfig(path=str(recording)), ["a", "b"])
    assert source.partitions() == [0, 1]
    assert [r for b in drain(source) for r in b.records] == list(read_recording(recording))
    source.close()
    source.close()
    assert source.poll(1, 0).ended


def test_no_batch_exceeds_the_limit_and_the_others_progress_is_told(recording):
    source = McapSource(McapConfig(path=str(recording)), ["a", "b"])
    batches = drain(source, limit=1)
    assert [len(batch.records) for batch in batches] == [1, 1, 1]
    a, b = TopicPartition("a", 0), TopicPartition("b", 1)
    assert [dict(batch.progress) for batch in batches] == [
        {b: 100 * SECOND},
        {a: 101 * SECOND},
        {b: 102 * SECOND},
    ]


def test_other_topics_are_skipped(recording):
    source = McapSource(McapConfig(path=str(recording)), ["a", "silent"])
    assert source.partitions() == [0]
    assert offsets(drain(source)) == [0, 2]


def test_a_recording_with_none_of_the_topics_is_refused_with_those_it_has(recording):
    source = McapSource(McapConfig(path=str(recording)), ["c"])
    with pytest.raises(RunError, match=r"holds none of the topics c; it has a, b\. Name those as"):
        source.poll(1, 0)


def test_the_pace_follows_log_time(recording):
    now = 0.0
    waits = []

    def wait(seconds):
        nonlocal now
        waits.append(seconds)
        now += seconds

    config = McapConfig(path=str(recording), speed=2.0)
    source = McapSource(config, ["a", "b"], clock=lambda: now, wait=wait)
    seen = []
    while True:
        batch = source.poll(100, 0.3)
        seen += [(record.offset, round(now, 6)) for record in batch.records]
        if batch.ended:
            break
    assert seen == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert max(waits) <= 0.3


def test_close_ends_a_wait_in_another_thread(recording):
    source = McapSource(McapConfig(path=str(recording), speed=0.001), ["a", "b"])
    assert offsets([source.poll(100, 0)]) == [0]
    batches = []
    thread = threading.Thread(target=lambda: batches.append(source.poll(100, 600)))
    thread.start()
    source.close()
    thread.join(60)
    assert not thread.is_alive()
    assert batches[0].ended
    assert offsets(batches) == []


def test_a_recording_that_is_cut_off_is_replayed_as_far_as_it_goes(recording):
    recording.write_bytes(recording.read_bytes()[:-30])
    source = McapSource(McapConfig(path=str(recording)), ["a", "b"])
    batch = source.poll(100, 0)
    assert offsets([batch]) == [0, 1, 2]
    assert not batch.ended
    with pytest.raises(RunError, match="cut off or damaged after 3 records"):
        source.poll(100, 0)


def test_a_file_that_is_not_there_is_named(tmp_path):
    source = McapSource(McapConfig(path=str(tmp_path / "no.mcap")), ["a"])
    with pytest.raises(RunError, match=r"no\.mcap: the recording cannot be opened"):
        source.partitions()


@pytest.mark.parametrize("speed", [0, -1.0, float("inf"), float("nan"), "fast", True])
def test_a_speed_that_is_none_is_refused(speed):
    with pytest.raises(ValidationError):
        McapConfig(path="x", speed=speed)
