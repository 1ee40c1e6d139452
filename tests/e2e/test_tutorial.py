"""The tutorial, step by step, as a reader follows it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
#: Per block of code: what was said before it, its language, and the block.
BLOCKS = re.findall(r"((?:(?!```).)*)^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


class Reader:
    """Somebody who writes the files and types the commands, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site"
        self.printed = ""

    def write(self, said: str, block: str) -> None:
        """Put a block where the text before it says."""
        path = self.folder / re.findall(r"`([\w./-]+\.\w+)`:\s*$", said)[-1]
        assert path.parent.is_dir(), path
        path.write_text(block)

    def type(self, line: str) -> None:
        """Run a command line."""
        done = subprocess.run(
            [sys.executable, *self.arguments(*shlex.split(line))],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(self.site), *filter(None, sys.path)]),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        self.printed = done.stdout

    def arguments(self, program: str, *rest: str) -> Iterator[str]:
        """The same for this Python; what is installed goes into a folder beside."""
        if program == "sensorium":
            yield from ("-c", "import sys; from sensorium.cli import main; sys.exit(main())", *rest)
        elif rest[:4] == ("-m", "pip", "install", "--editable"):
            uv = importlib.util.find_spec("uv") is not None
            yield from ("-m", *(["uv", "pip"] if uv else ["pip"]), "install", "--quiet")
            yield from ("--no-deps", "--no-build-isolation", "--target", str(self.site), rest[4])
        else:
            assert program == "python"
            yield from rest


def plain(line: str) -> str:
    return " ".join(line.split())


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A reader who has done all that the page says."""
    pytest.importorskip("hatchling", reason="needs hatchling: pip install --group dev")
    reader = Reader(tmp_path_factory.mktemp("tutorial"))
    for said, language, block in BLOCKS:
        if language in ("python", "yaml"):
            reader.write(said, block)
        elif language == "sh":
            for line in block.splitlines():
                reader.type(line)
        else:
            assert language == "text"
            told = {plain(line) for line in reader.printed.splitlines()}
            for line in block.splitlines():
                assert line == "..." or plain(line) in told, line
    return reader


@pytest.mark.timeout(400)
def test_every_step_works_and_the_pump_is_understood(reader: Reader) -> None:
    predictions = lines(reader.folder / "predictions.jsonl")
    assert len(predictions) == 24
    for it in predictions:
        runs = (it["time"] // 1_000_000_000 // 20 + len("new pump")) % 2 == 0
        assert it["tasks"]["state"]["label"] == ("running" if runs else "idle")


@pytest.mark.timeout(400)
def test_ray_says_the_same(reader: Reader) -> None:
    here, on_ray = (lines(reader.folder / f"{name}.jsonl") for name in ("predictions", "on-ray"))
    assert [it["id"] for it in on_ray] == [it["id"] for it in here]
    assert [it["tasks"]["state"]["label"] for it in on_ray] == [
        it["tasks"]["state"]["label"] for it in here
    ]


@pytest.mark.timeout(400)
def test_what_the_reader_wrote_is_typed_and_tidy(reader: Reader) -> None:
    pytest.importorskip("mypy", reason="needs mypy: pip install --group dev")
    written = Reader(reader.folder / "loudness")
    written.site = reader.site
    written.type("python -m mypy --cache-dir ../mypy")
    written.type("python -m ruff check --no-cache")


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
