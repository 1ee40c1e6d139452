"""Everything in the README is executed."""

from __future__ import annotations

import json
import math
import re
import shlex
import subprocess
import time
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS: dict[str, list[str]] = defaultdict(list)
for _language, _block in re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE):
    BLOCKS[_language].append(_block)
ALIGNER, PLUGIN, CONFORMANCE = BLOCKS["python"]
SHELL = [line for block in BLOCKS["sh"] for line in block.splitlines() if line]
SECOND = 1_000_000_000

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def plugin(site: Path, put_metadata: Callable[[Path, Mapping[str, Any]], None]) -> None:
    """The README's plugin, installed."""
    (site / "sensorium_level.py").write_text(PLUGIN)
    (pyproject,) = BLOCKS["toml"]
    put_metadata(site, tomllib.loads(pyproject)["project"])


@pytest.fixture
def pipeline(tmp_path: Path, plugin: None) -> Path:
    """The README's pipeline, and a recording of some rooms."""
    path = tmp_path / "room.yaml"
    (text,) = BLOCKS["yaml"]
    path.write_text(text)
    first = 1_700_000_000 * SECOND
    (tmp_path / "monday.jsonl").write_text("".join(_rooms(first, arrived=True)))
    return path


def _rooms(first: int, arrived: bool) -> Iterator[str]:
    """Lines as the README shows them: rooms that are warm and loud when they are used."""
    keys = [f"room {number}" for number in range(8)] if arrived else ["hall"]
    for second in range(0, 120 if arrived else 1, 5):
        for number, key in enumerate(keys):
            used = (second // 20 + number) % 2 == 0
            wave = math.sin(second + number)
            values = {"heat": 19 + 3 * used + wave, "noise": 30 + 20 * used - wave}
            for stream, data in {**values, "label": {"used": "yes" if used else "no"}}.items():
                moment = first + second * SECOND
                line = {"stream": stream, "key": key, "time": moment, "data": data}
                if arrived:
                    line["arrived"] = moment + SECOND // 10
                yield json.dumps(line) + "\n"


def test_every_block_is_of_a_kind_that_is_tested():
    assert set(BLOCKS) - {""} == {"sh", "python", "text", "toml", "yaml", "json"}


def test_the_aligner_prints_what_is_shown(run_python: Run):
    done = run_python("-c", ALIGNER)
    assert done.stdout == BLOCKS["text"][-1], done.stderr


@pytest.mark.timeout(300)  # the kit starts Ray
def test_the_plugin_has_fifteen_lines_and_conforms(run_python: Run, sensorium: Run, plugin: None):
    assert len([line for line in PLUGIN.splitlines() if line]) <= 15
    done = run_python("-c", CONFORMANCE)
    assert done.returncode == 0, done.stderr
    shown = sensorium("plugins", "show", "level").stdout
    assert "sensorium-level" in shown
    assert "The mean of the numbers that a stream has in a set." in shown


def test_the_lines_shown_are_read(tmp_path: Path, sensorium: Run, pipeline: Path):
    (lines,) = BLOCKS["json"]
    (tmp_path / "shown.jsonl").write_text(lines)
    sensorium("fit", "room.yaml", "--data", "monday.jsonl", "-o", "room.safetensors")
    done = sensorium("run", "room.yaml", "--data", "shown.jsonl", "--sink", "-")
    (prediction,) = map(json.loads, done.stdout.splitlines())
    assert prediction["key"] == "kitchen"
    assert prediction["tasks"]["used"]["label"] in ("yes", "no")


def test_the_commands_do_what_they_say(tmp_path: Path, sensorium: Run, pipeline: Path):
    for line in SHELL:
        if line.startswith("sensorium "):
            sensorium(*shlex.split(line)[1:])
        elif line.startswith("cat "):
            _, _, _, *command = shlex.split(line)
            live = "".join(_rooms(time.time_ns(), arrived=False))
            printed = sensorium(*command[1 : command.index("|")], text=live).stdout
            assert json.loads(printed.splitlines()[-1])["tasks"]["used"]["label"] == "yes"
    lines = (tmp_path / "predictions.jsonl").read_text().splitlines()
    right = [
        json.loads(line)["tasks"]["used"]["label"]
        == ("yes" if (json.loads(line)["time"] // SECOND - 1_700_000_000) // 20 % 2 == 0 else "no")
        for line in lines
        if json.loads(line)["key"] == "room 0"
    ]
    assert len(right) == 12
    assert all(right)


def test_make_knows_the_commands_named():
    for target in re.findall(r"\bmake ([a-z]+)\b", README):
        done = subprocess.run(
            ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_what_is_to_be_installed_can_be(project: Mapping[str, Any]):
    extras = project["project"]["optional-dependencies"]
    installs = [shlex.split(line, comments=True) for line in SHELL if line.startswith("pip ")]
    assert installs
    for command, action, target in installs:
        assert (command, action) == ("pip", "install")
        matched = re.fullmatch(r"\.(?:\[([a-z,]+)\])?", target)
        assert matched, target
        assert set((matched[1] or "").split(",")) - {""} <= set(extras)


def test_no_command_is_left_out():
    for line in SHELL:
        assert line.split()[0] in {"sensorium", "cat", "make", "pip"}, line


def test_every_command_is_named(sensorium: Run):
    told = re.findall(r"^    ([a-z]+) ", sensorium("--help").stdout, re.MULTILINE)
    assert told
    for command in told:
        assert f"| `sensorium {command}" in README


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).is_file(), target
