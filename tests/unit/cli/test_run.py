"""What `sensorium run` says of a file whose events count for nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sensorium.demo
from sensorium.cli import main

WATCH = Path(sensorium.demo.__file__).parent / "data" / "watch.yaml"
START = 1_700_000_000_000_000_000


def recorded(path: Path, **fields: int) -> Path:
    """Eight chunks of each stream, every half a second."""
    lines = [
        {
            "stream": stream,
            "key": "k",
            "time": (time := START + number * 500_000_000),
            **{name: time + after for name, after in fields.items()},
            "data": [[0.0, 0.1, float(row)] for row in range(25)],
        }
        for number in range(8)
        for stream in ("accel", "gyro")
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_events_that_are_all_late_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = recorded(tmp_path / "old.jsonl")
    assert main(["run", str(WATCH), "--data", str(data), "--sink", "-"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "WARNING run every event was late" in said.err
    assert "`arrived`" in said.err


def test_events_with_their_log_time_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = recorded(tmp_path / "old.jsonl", arrived=600_000_000)
    assert main(["run", str(WATCH), "--data", str(data), "--sink", "-"]) == 0
    said = capsys.readouterr()
    assert said.out.count("\n") > 1
    assert "every event was late" not in said.err
