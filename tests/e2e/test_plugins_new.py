"""`sensorium plugins new`: what it writes installs, type-checks, passes its tests and the kit."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

KINDS = ("modality", "fusion", "source", "sink", "policy", "observer")

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A distribution of every kind, each in a folder of its own, installed side by side."""
    pytest.importorskip("hatchling", reason="needs hatchling: pip install --group dev")
    folder = tmp_path_factory.mktemp("written")
    for kind in KINDS:
        done = command(folder, "plugins", "new", f"toy-{kind}", "--kind", kind)
        assert done.returncode == 0, done.stderr
    installer = ["uv", "pip"] if importlib.util.find_spec("uv") else ["pip"]
    python = [f"--python={sys.executable}"] if installer[0] == "uv" else []
    done = subprocess.run(
        [
            *(sys.executable, "-m", *installer, "install", *python),
            *("--quiet", "--no-deps", "--no-build-isolation", "--target", str(folder / "site")),
            *(str(folder / f"toy-{kind}") for kind in KINDS),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command ``sensorium`` in a folder, where what is installed in its `site` is found."""
    program = "import sys; from sensorium.cli import main; sys.exit(main())"
    return python(folder, "-c", program, *arguments)


def python(
    folder: Path, *arguments: str, site: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run this Python in a folder, where what is installed in `site` is found."""
    path = os.pathsep.join([str(site or folder / "site"), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(900)
def test_every_kind_passes_its_tests_and_the_kit(written: Path) -> None:
    # All in one process, so that Ray starts once.
    tests = [f"toy-{kind}/tests" for kind in KINDS]
    (written / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib -ra\n")
    done = python(written, "-m", "pytest", "-v", "-p", "no:cacheprovider", *tests)
    assert done.returncode == 0, done.stdout[-5000:]
    assert " failed" not in done.stdout
    for kind in KINDS:
        assert f"toy-{kind}/tests/test_toy_{kind}.py::" in done.stdout
        assert f"toy-{kind}/tests/test_conformance.py::TestToy{kind.capitalize()}::" in done.stdout


@pytest.mark.timeout(900)
def test_every_kind_is_typed_and_tidy(written: Path) -> None:
    pytest.importorskip("mypy", reason="needs mypy: pip install --group dev")
    for kind in KINDS:
        folder, site = written / f"toy-{kind}", written / "site"
        cache = str(written / "mypy")
        typed = python(folder, "-m", "mypy", "--cache-dir", cache, site=site)
        assert typed.returncode == 0, typed.stdout
        for check in (["check"], ["format", "--check"]):
            tidy = python(folder, "-m", "ruff", *check, "--no-cache", site=site)
            assert tidy.returncode == 0, tidy.stdout


def test_they_are_found_and_tested_by_name(written: Path) -> None:
    listed = json.loads(command(written, "plugins", "list", "--json").stdout)
    assert listed["problems"] == []
    assert {f"toy-{kind}" for kind in KINDS} - {"toy-observer"} <= {
        item["name"] for item in listed["classes"]
    }
    for name in ("toy-policy", "toy-observer", "sensorium-toy-sink"):
        done = command(written, "plugins", "test", name)
        assert done.returncode == 0, done.stdout + done.stderr
        assert ", 0 failed, 0 waived, " in done.stdout


def test_new_plugins_of_every_kind_train_and_run_a_pipeline(written: Path) -> None:
    incoming = written / "incoming"
    incoming.mkdir()
    with (written / "past.jsonl").open("w") as past:
        for number in range(60):
            key, time = f"room {number // 6}", number % 6 * SECOND
            event = {"key": key, "time": time, "arrived": number * SECOND}
            heat = 10.0 + number % 7
            print(json.dumps({**event, "stream": "heat", "data": heat}), file=past)
            print(json.dumps({**event, "stream": "truth", "data": 2 * heat}), file=past)
    for number in range(6):
        event = {"stream": "heat", "key": "hall", "time": number * SECOND, "data": 12}
        (incoming / f"{number}.json").write_text(json.dumps(event))
    (written / "room.yaml").write_text(
        "pipeline: room\n"
        f"source: {{plugin: toy-source, folder: {incoming}}}\n"
        "streams: {heat: {modality: toy-modality, max_delay: inf}}\n"
        "align: {policy: toy-policy, size: 1s}\n"
        "fusion: {plugin: toy-fusion}\n"
        "tasks: {level: {type: regression, target: {stream: truth}}}\n"
        "checkpoint: room.safetensors\n"
        f"sink: {{plugin: toy-sink, path: {written}/rows.csv, dead_letters: {written}/dead.csv}}\n"
    )
    for arguments in (
        ("fit", "room.yaml", "--data", "past.jsonl", "-o", "room.safetensors"),
        ("run", "room.yaml"),
    ):
        done = command(written, *arguments)
        assert done.returncode == 0, done.stderr
    rows = [line.split(",") for line in (written / "rows.csv").read_text().splitlines()]
    assert [row[1:4] for row in rows] == [["hall", str(it * SECOND), "level"] for it in range(6)]
    assert all(abs(float(row[4]) - 24) < 2 for row in rows)


def test_nothing_is_published_without_a_licence(written: Path) -> None:
    folder = written / "toy-modality"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert "Private :: Do Not Upload" in project["classifiers"]
    assert "license" not in project
    assert "No licence has been chosen" in (folder / "LICENSE").read_text()
    assert "## Licence" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Bad_Name", "no name for a plugin"),
        ("-x", "no name for a plugin"),
        ("9lives", "no name for a plugin"),
        ("a--b", "no name for a plugin"),
        ("../x", "no name for a plugin"),
        ("plugins", "there is a module sensorium_plugins already"),
        ("sensor-cnn", "there is a modality 'sensor-cnn' already, of sensorium"),
        ("toy-sink", "the distribution sensorium-toy-sink is installed"),
    ],
)
def test_a_name_that_is_bad_or_taken_is_refused(written: Path, name: str, message: str) -> None:
    elsewhere = written / "elsewhere"
    done = command(
        written, "plugins", "new", "--kind", "modality", f"--into={elsewhere}", "--", name
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert not elsewhere.exists()


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "heart").mkdir()
    done = command(tmp_path, "plugins", "new", "heart", "--kind", "sink")
    assert done.returncode == 2
    assert "heart is there already" in done.stderr
    assert list((tmp_path / "heart").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "cls"), [("payload", "PayloadModality"), ("none", "NoneModality")]
)
def test_a_class_hides_no_name_that_its_module_uses(tmp_path: Path, name: str, cls: str) -> None:
    done = command(tmp_path, "plugins", "new", f"sensorium-{name}", "--kind", "modality")
    assert done.returncode == 0, done.stderr
    module = tmp_path / f"sensorium-{name}" / "src" / f"sensorium_{name}" / "__init__.py"
    assert f"\nclass {cls}(Modality):" in module.read_text()
