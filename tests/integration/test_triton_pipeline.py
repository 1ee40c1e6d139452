"""A pipeline with an encoder on Triton: it moves there; the server dies and comes back."""

from __future__ import annotations

import json
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from triton_server import ROOT, NoTritonError, TritonServer

#: The first to need the server makes its environment, with some 60 MB to fetch.
pytestmark = pytest.mark.timeout(400)

SECOND = 1_000_000_000
PROGRAM = "import sys; from sensorium.cli import main; sys.exit(main())"
CALM, UPSET = "all is quiet, thank you", "help, the pump is on fire"


def content(url: str) -> dict[str, Any]:
    """What users wrote in a chat, with the readings of their room."""
    return {
        "pipeline": "moods",
        "streams": {
            "chat": {
                "modality": "triton",
                "max_delay": "1h",
                # Live, events are sent ahead of their times.
                "max_future": "1h",
                "config": {
                    "url": url,
                    "model": "text",
                    "retries": 1,
                    "pause": "20ms",
                    "preprocess": {"modality": "text-tfidf", "config": {"dim": 64}},
                },
            },
            "room": {
                "modality": "tabular",
                "max_delay": "1h",
                "max_future": "1h",
                "config": {"numbers": ["heat"]},
            },
        },
        "align": {"policy": "exact", "require": "any"},
        "fusion": {"plugin": "concat"},
        "tasks": {
            "mood": {
                "type": "classification",
                "labels": ["calm", "upset"],
                "target": {"stream": "truth", "field": "mood"},
            }
        },
        "checkpoint": "moods.safetensors",
        "sink": {"plugin": "jsonl", "dead_letters": "dead.jsonl"},
    }


def events(key: str, times: range, start: int = 0) -> list[dict[str, Any]]:
    rows = []
    for at in times:
        upset, when = at % 2 == 1, start + at * SECOND
        values = {
            "chat": UPSET if upset else CALM,
            "room": {"heat": 20.0 + at % 3},
            "truth": {"mood": "upset" if upset else "calm"},
        }
        rows += [
            {"stream": name, "key": key, "time": when, "arrived": when, "data": value}
            for name, value in values.items()
        ]
    return rows


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def sensorium(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True, text=True, timeout=100, check=False, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_data(folder: Path) -> None:
    rows = [row for key in range(8) for row in events(f"user{key}", range(12))]
    rows.sort(key=lambda row: row["time"])
    (folder / "data.jsonl").write_text(lines(rows))


@pytest.fixture
def trained(triton: TritonServer, tmp_path: Path) -> Path:
    """A folder with the pipeline, and the fusion trained on what the server encodes."""
    (tmp_path / "moods.yaml").write_text(yaml.safe_dump(content(triton.url)))
    write_data(tmp_path)
    sensorium(tmp_path, "fit", "moods.yaml", "--data", "data.jsonl", "-o", "moods.safetensors")
    return tmp_path


@pytest.fixture
def running(trained: Path) -> Iterator[tuple[Callable[[range], None], Callable[[], Any]]]:
    """`sensorium run` on standard input: a function that sends, one that gives a prediction."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "run", "moods.yaml", "--data", "-"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=trained,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    into, out, now = process.stdin, process.stdout, time.time_ns()
    found: queue.SimpleQueue[str] = queue.SimpleQueue()
    reader = threading.Thread(target=lambda: [found.put(line) for line in out])
    reader.start()

    def send(times: range) -> None:
        rows = events("user", times, start=now)
        into.write(lines([row for row in rows if row["stream"] != "truth"]))
        into.flush()

    yield send, lambda: json.loads(found.get(timeout=60))
    into.close()
    assert process.wait(60) == 0
    reader.join(60)
    out.close()


def test_a_server_dies_and_comes_back_while_the_pipeline_runs(
    trained: Path,
    triton: TritonServer,
    running: tuple[Callable[[range], None], Callable[[], Any]],
) -> None:
    send, prediction = running
    send(range(4))
    before = [prediction() for _ in range(4)]
    assert [it["tasks"]["mood"]["label"] for it in before] == ["calm", "upset"] * 2
    assert all(it["absent"] == {} for it in before)

    triton.kill()
    send(range(4, 8))
    without = [prediction() for _ in range(4)]
    assert [it["absent"] for it in without] == [{"chat": "failed"}] * 4

    triton.start()
    # The connection is tried again now and then, so the first sets may still have to do without.
    at, end = 8, time.monotonic() + 60
    while True:
        send(range(at, at + 2))
        after = [prediction(), prediction()]
        at += 2
        if all(it["absent"] == {} for it in after):
            break
        assert time.monotonic() < end
    assert [it["tasks"]["mood"]["label"] for it in after] == ["calm", "upset"]

    letters = [json.loads(line) for line in (trained / "dead.jsonl").read_text().splitlines()]
    assert [(it["stage"], it["stream"], it["error"]) for it in letters] == [
        ("encode", "chat", "UnavailableError")
    ] * len(letters)
    assert len(letters) >= 4
    assert "did not answer within 2s, tried 2 times" in letters[0]["message"]
    assert f"model 'text' at {triton.url}" in letters[0]["message"]


def test_the_page_moves_a_trained_encoder_to_a_server_and_nothing_changes(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "triton.md").read_text()
    blocks = dict(re.findall(r"```(\w+)\n(.*?)```", page, re.DOTALL)[:3])
    served = yaml.safe_load(blocks["yaml"])
    own = yaml.safe_load(blocks["yaml"])
    own["streams"]["chat"] |= own["streams"]["chat"]["config"]["preprocess"]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    write_data(tmp_path)
    sensorium(tmp_path, "fit", "own.yaml", "--data", "data.jsonl", "-o", "moods.safetensors")

    model = tmp_path / "models" / "chat" / "1"
    model.mkdir(parents=True)
    (model.parent / "config.pbtxt").write_text(blocks["text"])
    found = f"import sys; sys.path[:0] = {[str(ROOT / 'engine'), str(ROOT / 'plugins')]}\n"
    (model / "model.py").write_text(found + blocks["python"])
    shutil.copy(tmp_path / "moods.safetensors", model)
    try:
        server = TritonServer(tmp_path / "models")
        server.start()
    except NoTritonError as error:
        pytest.skip(f"needs a Triton Inference Server: {error}")
    try:
        served["streams"]["chat"]["config"]["url"] = server.url
        (tmp_path / "served.yaml").write_text(yaml.safe_dump(served))
        theirs, ours = (
            [
                json.loads(line)["tasks"]["mood"]
                for line in sensorium(
                    tmp_path, "run", name, "--data", "data.jsonl", "--sink", "-"
                ).splitlines()
            ]
            for name in ("served.yaml", "own.yaml")
        )
    finally:
        server.kill()
    assert len(theirs) == len(ours) == 96
    for one, other in zip(theirs, ours, strict=True):
        assert one["label"] == other["label"]
        assert one["score"] == pytest.approx(other["score"], abs=1e-5)
