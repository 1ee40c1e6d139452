"""Every command line in the documentation is one that the program takes."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from sensorium.cli import main

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    lines = [line for kind, block in blocks if kind in ("sh", "") for line in block.splitlines()]
    return [line for line in lines if re.match(r"sensorium [a-z]", line)]


CASES = [(page.name, line) for page in PAGES for line in commands(page)]


def test_there_are_some() -> None:
    assert {page for page, _ in CASES} >= {"README.md", "kafka.md", "explain.md"}


@pytest.mark.parametrize(("page", "line"), CASES)
def test_it_is_taken(page: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    del page
    arguments = shlex.split(line.partition(" | ")[0], comments=True)[1:]
    module = importlib.import_module(f"sensorium.cli._{arguments[0]}")
    monkeypatch.setattr(module, "run", lambda args: 0)
    assert main(arguments) == 0
