"""``sensorium record`` and ``replay``: topics into a recording and back, on a real Apache Kafka."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka_records import SECOND, chunk, read, send

from sensorium.cli import main
from sensorium.host import default_host, load_pipeline
from sensorium.operations import Recorder
from sensorium.plugin import Record
from sensorium.wire import RecordingWriter, read_record, read_recording

PipelineFile = Callable[..., Path]
Capture = pytest.CaptureFixture[str]
COMMAND = [sys.executable, "-c", "import sys; from sensorium.cli import main; sys.exit(main())"]
WAIT = {"max_delay": "1h", "modality": "sensor-stats", "config": {"channels": 3, "rate": 50}}


def topics(path: Path) -> tuple[str, str]:
    return f"{path.stem}.accel", f"{path.stem}.gyro"


def fill(broker: str, path: Path, start: int, *, count: int = 10) -> None:
    for topic in topics(path):
        records = [
            chunk(f"p{n}", start + at * SECOND // 5) for n in range(6) for at in range(count)
        ]
        send(broker, topic, [{**one, "headers": [("trace", b"7")]} for one in records])


def as_sent(one: Any) -> tuple[Any, ...]:
    return one.topic, one.partition, one.key, one.value, tuple(one.headers)


def as_recorded(one: Record) -> tuple[Any, ...]:
    return one.topic, one.partition, one.key, one.data, tuple(one.headers.items())


def test_what_is_recorded_comes_back_with_key_partition_and_headers(
    broker: str, pipeline_file: PipelineFile, tmp_path: Path, capsys: Capture
) -> None:
    path, file = pipeline_file(), tmp_path / "live.mcap"
    assert main(["topics", "create", str(path), "--partitions", "3"]) == 0
    start = time.time_ns()
    fill(broker, path, start)
    assert main(["record", str(path), "-o", str(file), "--until-end"]) == 0
    assert f"{file}: 120 records over" in capsys.readouterr().err
    recorded = list(read_recording(file))
    sent = [one for topic in topics(path) for one in read(broker, topic, 60)]
    assert Counter(map(as_recorded, recorded)) == Counter(map(as_sent, sent))
    assert len({one.partition for one in recorded}) > 1
    assert {(one.topic, one.partition, one.offset) for one in recorded} == {
        (one.topic, one.partition, one.offset) for one in sent
    }
    assert min(one.arrived or 0 for one in recorded) >= start - SECOND

    assert main(["replay", str(path), "--data", str(file)]) == 0
    assert capsys.readouterr().err.endswith("120 records sent\n")
    twice = [one for topic in topics(path) for one in read(broker, topic, 120)]
    assert Counter(map(as_sent, twice)) == Counter([*map(as_sent, sent), *map(as_sent, sent)])


def test_times_that_producers_stamped_are_kept(
    broker: str, pipeline_file: PipelineFile, tmp_path: Path
) -> None:
    path, file = pipeline_file(), tmp_path / "stamped.mcap"
    from kafka.admin import KafkaAdminClient, NewTopic

    # Made so, and not altered: what a topic is altered to holds at some time after the answer.
    stamped = {"message.timestamp.type": "CreateTime"}
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics([NewTopic(it, 1, 1, topic_configs=stamped) for it in topics(path)])
    admin.close()
    stamps = [1_700_000_000_500, 1_700_000_000_250]
    send(broker, topics(path)[0], [{"value": b"x", "key": b"k", "timestamp_ms": at}
                                   for at in stamps])  # fmt: skip
    assert main(["record", str(path), "-o", str(file), "--until-end"]) == 0
    assert [one.time for one in read_recording(file)] == [at * 1_000_000 for at in stamps]
    assert main(["replay", str(path), "--data", str(file)]) == 0
    assert [one.timestamp for one in read(broker, topics(path)[0], 4)] == stamps * 2


def test_an_old_recording_is_moved_to_now(
    broker: str, pipeline_file: PipelineFile, tmp_path: Path
) -> None:
    path, file = pipeline_file(), tmp_path / "old.mcap"
    assert main(["topics", "create", str(path), "--partitions", "2"]) == 0
    fill(broker, path, time.time_ns() - 3600 * SECOND, count=3)
    assert main(["record", str(path), "-o", str(file), "--until-end"]) == 0
    now = time.time_ns()
    assert main(["replay", str(path), "--data", str(file), "--now", "--speed", "max"]) == 0
    assert main(["record", str(path), "-o", f"{file}.2.mcap", "--until-end"]) == 0
    moved = [one for one in read_recording(f"{file}.2.mcap") if (one.arrived or 0) >= now]
    assert len(moved) == 36
    times = {one.origin: read_record(one).time or 0 for one in moved}
    # An hour back before, as then between the event and its log time.
    assert all(now - 3700 * SECOND < at < now - 3500 * SECOND for at in times.values())


def test_a_file_that_is_there_is_not_overwritten(
    pipeline_file: PipelineFile, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "there.mcap"
    file.write_bytes(b"precious")
    assert main(["record", str(pipeline_file()), "-o", str(file)]) == 2
    assert "exists: name another file" in capsys.readouterr().err
    assert file.read_bytes() == b"precious"


def test_topics_that_are_not_there_leave_no_file(
    pipeline_file: PipelineFile, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "none.mcap"
    assert main(["record", str(pipeline_file()), "-o", str(file)]) == 1
    assert "make it with `sensorium topics create PIPELINE`" in capsys.readouterr().err
    assert not file.exists()


def test_it_records_what_comes_until_it_is_stopped(
    broker: str, pipeline_file: PipelineFile, tmp_path: Path
) -> None:
    path, file = pipeline_file(), tmp_path / "live.mcap"
    assert main(["topics", "create", str(path), "--partitions", "1"]) == 0
    fill(broker, path, time.time_ns(), count=1)
    pipeline = load_pipeline(path, plugins=default_host())
    recorder = Recorder(pipeline, file, start="earliest")
    found = []
    thread = threading.Thread(target=lambda: found.append(recorder.run()))
    thread.start()
    fill(broker, path, time.time_ns(), count=5)
    end = time.monotonic() + 30
    while recorder.records < 72 and time.monotonic() < end:
        time.sleep(0.05)
    recorder.stop()
    thread.join(30)
    assert found[0].records == 72
    assert len(list(read_recording(file))) == 72


def test_ctrl_c_leaves_a_whole_file(
    broker: str, pipeline_file: PipelineFile, tmp_path: Path
) -> None:
    path, file = pipeline_file(), tmp_path / "live.mcap"
    assert main(["topics", "create", str(path), "--partitions", "1"]) == 0
    arguments = ["record", str(path), "-o", str(file), "--start", "earliest"]
    with subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        end = time.monotonic() + 60
        while not file.exists() and running.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        text = running.stderr.read()
    assert running.returncode == 0, text
    assert "live.mcap: 0 records" in text
    assert list(read_recording(file)) == []


def test_it_ends_after_a_while(broker: str, pipeline_file: PipelineFile, tmp_path: Path) -> None:
    path, file = pipeline_file(), tmp_path / "live.mcap"
    assert main(["topics", "create", str(path), "--partitions", "1"]) == 0
    assert main(["record", str(path), "-o", str(file), "--for", "300ms"]) == 0
    assert list(read_recording(file)) == []


def test_a_recording_of_another_tool_runs_and_replays_by_its_fields(
    broker: str, pipeline_file: PipelineFile, tmp_path: Path, capsys: Capture
) -> None:
    fields = {"key": "device.id", "time": "at", "data": "xyz", "time_unit": "s"}
    path = pipeline_file(
        streams={
            "accel": {**WAIT, "topic": f"{tmp_path.name}.a", "fields": fields},
            "gyro": {**WAIT, "topic": f"{tmp_path.name}.g", "fields": fields},
        },
        align={"policy": "window", "size": "1s", "require": "any", "deadline": "1h"},
    )
    file = tmp_path / "other.mcap"
    start = time.time_ns() // SECOND * SECOND - 30 * SECOND
    write_foreign(file, start, [f"{tmp_path.name}.a", f"{tmp_path.name}.g"])

    assert main(["run", str(path), "--data", str(file), "--sink", "-"]) == 0
    said = capsys.readouterr()
    offline = {json.loads(line)["id"] for line in said.out.splitlines()}
    assert len(offline) == 4

    assert main(["topics", "create", str(path), "--partitions", "1"]) == 0
    assert main(["replay", str(path), "--data", str(file)]) == 0
    capsys.readouterr()
    assert main(["run", str(path), "--until-end", "--sink", "-"]) == 0
    said = capsys.readouterr()
    live = {json.loads(line)["id"] for line in said.out.splitlines()}
    assert live == offline, said.err

    assert main(["replay", str(path), "--data", str(file), "--now", "--speed", "max"]) == 1
    assert "The time of a record in the format json cannot be moved" in capsys.readouterr().err


def write_foreign(path: Path, start: int, names: list[str]) -> None:
    """An MCAP file with JSON channels, as another recorder writes it: times in seconds."""
    from mcap.writer import Writer

    with path.open("wb") as stream:
        writer = Writer(stream)
        writer.start(profile="", library="another")
        channels = [
            writer.register_channel(topic=name, message_encoding="json", schema_id=0)
            for name in names
        ]
        for number in range(20):
            at = start + number * SECOND // 5
            body = {"device": {"id": "w1"}, "at": at / SECOND, "xyz": [[0.1, 0.2, 0.3]] * 10}
            for channel in channels:
                writer.add_message(
                    channel_id=channel,
                    log_time=at + SECOND // 4,
                    publish_time=at,
                    data=json.dumps(body).encode(),
                )
        writer.finish()


def test_a_partition_that_is_not_there_is_refused_unless_keys_decide(
    broker: str, pipeline_file: PipelineFile, tmp_path: Path, capsys: Capture
) -> None:
    path, file = pipeline_file(), tmp_path / "wide.mcap"
    with RecordingWriter(file) as writer:
        for number, topic in enumerate(topics(path)):
            writer.write(Record(topic, 5, number, b"x", b"k", {}, SECOND, SECOND))
    assert main(["topics", "create", str(path), "--partitions", "2"]) == 0
    assert main(["replay", str(path), "--data", str(file)]) == 1
    assert "has 2 partitions, and a record belongs in number 5" in capsys.readouterr().err
    assert main(["replay", str(path), "--data", str(file), "--by-key"]) == 0
    assert len(read(broker, topics(path)[0], 1)) == 1
