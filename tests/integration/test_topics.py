"""``sensorium topics``, on a real Apache Kafka."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sensorium.cli import main
from sensorium.plugin import Topic
from sensorium_plugins.sources import KafkaSource, KafkaSourceConfig

SECOND = 1_000_000_000
PipelineFile = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


def topics_of(broker: str, path: Path) -> dict[str, Topic]:
    config = KafkaSourceConfig.model_validate({"bootstrap_servers": broker, "start": "latest"})
    log = KafkaSource.open_log(config)
    try:
        names = [f"{path.stem}.{part}" for part in ("accel", "gyro", "out", "dead")]
        return {name.rpartition(".")[2]: one for name, one in log.describe(names).items()}
    finally:
        log.close()


def make(broker: str, **topics: dict[str, object]) -> None:
    from kafka.admin import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics(topics, wait_for_metadata=True)
    admin.close()


def test_create_makes_what_a_restart_needs_and_a_second_time_nothing(
    broker: str, pipeline_file: PipelineFile, capsys: Capture
) -> None:
    path = pipeline_file()
    assert main(["topics", "create", str(path), "--partitions", "2", "--outage", "1h"]) == 0
    assert len(re.findall("^made ", capsys.readouterr().out, re.MULTILINE)) == 4
    made = topics_of(broker, path)
    assert {one.partitions for one in made.values()} == {2}
    assert all(one.append_time and not one.compacted for one in made.values())
    # 2 (1 s window + 10 s max_duration) + 10 s max_delay + 5 s max_future, and 1 ms for the +1;
    # 1 min max_lead, 1 h outage.
    assert made["accel"].retention == made["gyro"].retention == 3697 * SECOND + SECOND // 1000
    assert made["out"].retention == made["dead"].retention == 7 * 86_400 * SECOND

    assert main(["topics", "create", str(path), "--outage", "1h"]) == 0
    out = capsys.readouterr().out
    assert "made " not in out
    assert out.count("left ") == 4
    assert out.endswith("0 errors, 0 warnings\n")


def carrying(broker: str, path: Path) -> list[str]:
    """What makes a pipeline one that carries state, as options."""
    sink = {
        "plugin": "kafka", "bootstrap_servers": broker, "carry": f"{path.stem}.carry",
        "topic": f"{path.stem}.out", "dead_letters": f"{path.stem}.dead",
    }  # fmt: skip
    fields = {
        "align": {"policy": "approximate", "max_interval": "1s"},
        "delivery": "exactly_once",
        "source.group": path.stem,
        "sink": sink,
    }
    return [part for key, it in fields.items() for part in ("--set", f"{key}={json.dumps(it)}")]


def test_a_carry_topic_is_made_compacted_and_refused_where_it_is_not(
    broker: str, pipeline_file: PipelineFile, capsys: Capture
) -> None:
    path = pipeline_file()
    options = carrying(broker, path)
    assert main(["topics", "create", str(path), *options]) == 0
    assert (
        f"made {path.stem}.carry: 3 partitions, LogAppendTime, compacted" in capsys.readouterr().out
    )
    assert main(["check", str(path), "--connect", *options]) == 0
    capsys.readouterr()

    path = pipeline_file()
    options = carrying(broker, path)
    plain = {"num_partitions": 2}
    make(broker, **{f"{path.stem}.{part}": plain for part in ("out", "dead", "carry")})
    make(broker, **{f"{path.stem}.{part}": {"num_partitions": 3} for part in ("accel", "gyro")})
    assert main(["check", str(path), "--connect", *options]) == 2
    said = capsys.readouterr().out
    assert f"error: topic {path.stem}.carry (carry): is not compacted" in said
    assert f"error: topic {path.stem}.carry (carry): has 2 partitions; 3 are wanted" in said
    assert main(["run", str(path), "--until-end", *options]) == 2
    assert f"topic {path.stem}.carry (carry): has 2 partitions" in capsys.readouterr().err


def test_a_dry_run_makes_nothing(broker: str, pipeline_file: PipelineFile, capsys: Capture) -> None:
    path = pipeline_file()
    assert main(["topics", "create", str(path), "--dry-run"]) == 0
    assert f"would make {path.stem}.accel: 3 partitions, LogAppendTime" in capsys.readouterr().out
    assert topics_of(broker, path) == {}


def test_describe_says_what_is_missing_and_changes_nothing(
    broker: str, pipeline_file: PipelineFile, capsys: Capture
) -> None:
    path = pipeline_file()
    assert main(["topics", "describe", str(path)]) == 2
    out = capsys.readouterr().out
    assert f"error: {path.stem}.gyro is not there" in out
    assert "horizon: 37s1ns" in out
    assert topics_of(broker, path) == {}


def test_topics_that_differ_are_shown_with_both_values(
    broker: str, pipeline_file: PipelineFile, capsys: Capture
) -> None:
    path = pipeline_file()
    short = {"retention.ms": "60000", "retention.bytes": "1000"}
    stamped = {"message.timestamp.type": "CreateTime", "cleanup.policy": "compact"}
    make(
        broker,
        **{
            f"{path.stem}.accel": {"num_partitions": 1, "configs": short},
            f"{path.stem}.gyro": {"num_partitions": 2, "configs": stamped},
        },
    )
    assert main(["topics", "create", str(path)]) == 2
    out = capsys.readouterr().out
    assert out.startswith("nothing was made")
    assert f"unequal numbers of partitions: {path.stem}.accel 1, {path.stem}.gyro 2" in out
    assert "keeps records for 1m; 1d1m37s1ns are wanted" in out
    assert "keeps 1000 bytes of a partition" in out
    assert "is compacted" in out
    assert "is stamped by its producers (CreateTime); LogAppendTime is wanted" in out
    assert "fix: set message.timestamp.after.max.ms=5000" in out
    assert out.endswith("2 errors, 6 warnings\n")
    assert sorted(topics_of(broker, path)) == ["accel", "gyro"]


def test_another_number_of_partitions_than_there_are_is_refused(
    broker: str, pipeline_file: PipelineFile, capsys: Capture
) -> None:
    path = pipeline_file()
    assert main(["topics", "create", str(path), "--partitions", "1"]) == 0
    assert main(["topics", "create", str(path), "--partitions", "2"]) == 2
    assert "has 1 partitions; 2 are asked for" in capsys.readouterr().out


def test_what_cannot_be_kept_long_enough_is_refused(
    pipeline_file: PipelineFile, capsys: Capture
) -> None:
    path = pipeline_file()
    assert main(["topics", "create", str(path), "--set", "streams.accel.max_delay=inf"]) == 2
    assert "give every stream a finite max_delay" in capsys.readouterr().err
    assert main(["topics", "create", str(path), "--set", "runtime.max_lead=inf"]) == 2
    assert "runtime.max_lead: a topic may be read ever so far ahead" in capsys.readouterr().err


def test_a_source_without_topics_is_refused(pipeline_file: PipelineFile, capsys: Capture) -> None:
    path = pipeline_file(source={"plugin": "jsonl", "path": "-"})
    assert main(["topics", "describe", str(path)]) == 2
    assert "source.plugin: the source 'jsonl' has no topics" in capsys.readouterr().err


def test_a_cluster_that_cannot_hold_so_many_copies_says_so(
    broker: str, pipeline_file: PipelineFile, capsys: Capture
) -> None:
    path = pipeline_file()
    assert main(["topics", "create", str(path), "--replication", "3"]) == 1
    err = capsys.readouterr().err
    assert f"Kafka at {broker}: making the topic {path.stem}.accel failed" in err
    assert "replication" in err.lower()
    assert json.loads(path.read_text())["pipeline"] == path.stem


def test_a_run_in_a_group_refuses_what_a_restart_could_not_go_on_from(
    broker: str, pipeline_file: PipelineFile, capsys: Capture
) -> None:
    kafka = {"plugin": "kafka", "bootstrap_servers": broker, "start": "earliest"}
    path = pipeline_file(source={**kafka, "group": "some"})
    compacted = {"num_partitions": 1, "configs": {"cleanup.policy": "compact"}}
    short = {"num_partitions": 1, "configs": {"retention.ms": "60000"}}
    make(broker, **{f"{path.stem}.accel": compacted, f"{path.stem}.gyro": short})
    assert main(["check", str(path), "--connect"]) == 2
    said = capsys.readouterr().out
    assert f"error: topic {path.stem}.accel (stream accel): is compacted" in said
    assert "keeps records for 1m; 1d1m37s1ns are wanted" in said
    assert main(["check", str(path)]) == 0  # of a pipeline file alone
    capsys.readouterr()

    assert main(["run", str(path), "--until-end", "--sink", os.devnull]) == 2
    assert f"topic {path.stem}.accel (stream accel): is compacted" in capsys.readouterr().err


def test_a_run_says_what_else_is_wrong_with_its_topics(
    broker: str, pipeline_file: PipelineFile, capsys: Capture
) -> None:
    kafka = {"plugin": "kafka", "bootstrap_servers": broker, "start": "earliest"}
    path = pipeline_file(source={**kafka, "group": "other"})
    short = {"num_partitions": 1, "configs": {"retention.ms": "60000"}}
    make(broker, **{f"{path.stem}.{name}": short for name in ("accel", "gyro")})
    assert main(["run", str(path), "--until-end", "--sink", os.devnull]) == 0
    said = capsys.readouterr().err
    # The horizon and max_lead: below that, records may be gone before they are read.
    assert f"topic {path.stem}.gyro (stream gyro) keeps records for 1m; 1m37s1ns are wanted" in said
