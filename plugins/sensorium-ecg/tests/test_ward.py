"""The example pipeline and the alerts, by the command line, as the README has them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the README's commands have been run."""
    folder = tmp_path_factory.mktemp("ward")
    shutil.copytree(ROOT / "pipelines", folder / "pipelines")
    (block,) = re.findall(r"```sh\n(python -m sensorium_ecg.*?)```", README, re.DOTALL)
    for line in block.splitlines():
        run(folder, line)
    return folder


def run(folder: Path, line: str) -> str:
    """Run a command line with this Python, and log alerts."""
    program, *arguments = shlex.split(line)
    command = [sys.executable, *arguments]
    if program == "sensorium":
        code = "import sys; from sensorium.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "SENSORIUM_ECG_ALERTS": str(folder / "alerts.jsonl"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_rhythm_of_every_bed_is_told(ward: Path) -> None:
    truth = {it["key"]: it["data"] for it in lines(ward / "ward.jsonl") if it["stream"] == "truth"}
    predictions = lines(ward / "predictions.jsonl")
    assert {it["key"] for it in predictions} == truth.keys()
    right = Counter(
        it["tasks"]["rhythm"]["label"] == truth[it["key"]]["rhythm"] for it in predictions
    )
    assert right[True] / right.total() > 0.95


def test_alerts_tell_what_changes(ward: Path, tmp_path: Path) -> None:
    # One bed loses its ECG in the middle, and its vital signs are nonsense once.
    events = [it for it in lines(ward / "ward.jsonl") if it["key"] == "bed 1"]
    second = 1_000_000_000
    kept = [
        it for it in events if not (it["stream"] == "vitals" and 15 <= it["time"] / second < 40)
    ]
    kept.append({**kept[-1], "stream": "ecg", "data": "nonsense", "time": 59 * second})
    (ward / "one.jsonl").write_text("".join(json.dumps(it) + "\n" for it in kept))
    (ward / "alerts.jsonl").unlink()
    run(ward, "sensorium run pipelines/ward.yaml --data one.jsonl --sink out.jsonl")
    alerts = lines(ward / "alerts.jsonl")
    assert {it["key"] for it in alerts} == {"bed 1"}
    told = [(it["alert"], it.get("stream") or it.get("label")) for it in alerts]
    assert ("changed", "slow") in told
    assert told.count(("lost", "vitals")) == told.count(("back", "vitals")) == 1
    assert told.index(("lost", "vitals")) < told.index(("back", "vitals"))
    (lost,) = [it for it in alerts if it["alert"] == "lost"]
    assert (lost["why"], lost["heard"]) == ("proven", 10 * second)
    assert told.count(("unusable", "ecg")) == 1


def test_without_the_variable_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sensorium import AlignedSet, Event
    from sensorium_ecg import alerts

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(alerts.VARIABLE, raising=False)
    event = Event("ecg", "one", 0)
    alerts.sensorium_on_events("p", [event])
    alerts.sensorium_on_sets("p", [AlignedSet("one", 0, {"ecg": (event,)})])
    assert list(tmp_path.iterdir()) == []
