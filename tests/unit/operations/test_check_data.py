"""``sensorium check --data``: the settings that it names lose what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium.align import Aligner, StreamSpec, Window
from sensorium.cli import main
from sensorium.events import Event, Fate
from sensorium.host import default_host, load_pipeline
from sensorium.operations import LOSSES, losses, survey

SECOND = 10**9
MS = 10**6
START = 1_700_000_000 * SECOND
STREAM = {"modality": "sensor-stats", "max_delay": "300ms", "lateness": "100ms",
          "config": {"channels": 3, "rate": 50}}  # fmt: skip


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    path = tmp_path / "two.yaml"
    fields = {
        "pipeline": "two",
        "streams": {"a": STREAM, "b": {**STREAM, "offset": "50ms"}},
        "align": {"policy": "window", "size": "1s"},
        "fusion": {"plugin": "mean"},
        "tasks": {"moves": {"type": "classification", "labels": ["yes", "no"]}},
    }
    path.write_text(json.dumps(fields))
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two streams, that of `b` with a clock 400 ms behind, logged after exponential delays."""
    rng = np.random.default_rng(5)
    records = []
    for stream, behind in (("a", 0), ("b", 400 * MS)):
        for number in range(500):
            time = START + number * SECOND // 10
            arrived = time + 30 * MS + int(rng.exponential(80 * MS))
            records.append({"stream": stream, "key": "k", "time": time - behind,
                            "arrived": arrived, "duration": 0, "data": [[1, 2, 3]]})  # fmt: skip
    records.sort(key=lambda record: record["arrived"])
    path = tmp_path / "two.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def late(path: Path, **spec: Any) -> int:
    """How many events of the stream `a` are late under a setting, by the aligner itself."""
    aligner = Aligner(Window(size="1s", require="any"), {"a": StreamSpec(**spec)})
    for line in path.read_text().splitlines():
        record = json.loads(line)
        if record["stream"] == "a":
            aligner.add(Event("a", "k", record["time"], id=str(record["arrived"]),
                              arrived=record["arrived"]))  # fmt: skip
    return aligner.fates[Fate.LATE]


def test_the_settings_named_lose_what_is_said(pipeline: Path, recording: Path) -> None:
    host = default_host()
    loaded = load_pipeline(pipeline, plugins=host)
    found = losses(loaded, survey(loaded, host, recording))
    assert [(one.stream, one.setting) for one in found] == [
        ("a", "max_delay"), ("a", "lateness"), ("b", "max_delay"), ("b", "lateness")
    ]  # fmt: skip
    for one, other in zip(found[:2], ({"lateness": "inf"}, {}), strict=True):
        for share, least in zip(LOSSES, one.least, strict=True):
            assert late(recording, **{**other, one.setting: least}) <= share * 500
            assert late(recording, **{**other, one.setting: max(0, least - 1)}) >= share * 500
        assert late(recording, **{**other, one.setting: int(one.now)}) == round(one.lost * 500)


def test_it_is_printed_with_the_offset_that_would_do(
    pipeline: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(pipeline), "--data", str(recording)]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert [
        "stream",
        "setting",
        "events",
        "10%",
        "1%",
        "0.1%",
        "none",
        "now",
        "now",
        "loses",
    ] in rows
    assert any(row[:3] == ["a", "max_delay", "500"] and row[7] == "300ms" for row in rows)
    # 400 ms behind, less the offset of 50 ms that is there already.
    ahead = re.search(r"stream b +-(\d+)\.\d ms", out)
    assert ahead is not None
    assert abs(int(ahead[1]) - 350) <= 5
    offset = re.search(r"b: if it is this clock that is wrong, `offset: (\d+)ms` corrects", out)
    assert offset is not None
    assert abs(int(offset[1]) - 400) <= 5
    assert "Nothing is corrected" in out


def test_a_recording_of_something_else_is_refused(
    pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text("")
    assert main(["check", str(pipeline), "--data", str(path)]) == 2
    assert "has no events of the pipeline's streams" in capsys.readouterr().err
