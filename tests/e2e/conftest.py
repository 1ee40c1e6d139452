"""What the end-to-end tests share: programs in processes of their own, as a user runs them."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def project() -> dict[str, Any]:
    """The project's own pyproject.toml."""
    return PYPROJECT


@pytest.fixture
def put_metadata() -> Callable[[Path, Mapping[str, Any]], None]:
    """Write what an installer leaves of a pyproject's ``[project]``: a dist-info folder."""
    return _put_metadata


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed distributions; Sensorium is in it where this Python has it not."""
    folder = tmp_path / "site"
    folder.mkdir()
    try:
        importlib.metadata.distribution("sensorium")
    except importlib.metadata.PackageNotFoundError:
        _put_metadata(folder, PYPROJECT["project"])
    return folder


@pytest.fixture
def run_python(tmp_path: Path, site: Path) -> Run:
    """Run this Python with arguments, in `tmp_path`, with the distributions of `site`."""

    def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(site), *filter(None, sys.path)])
        return subprocess.run(
            [sys.executable, *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
        )

    return run


@pytest.fixture
def sensorium(run_python: Run) -> Run:
    """Run the command ``sensorium``; it must exit with 0."""
    program = "import sys; from sensorium.cli import main; sys.exit(main())"

    def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        done = run_python("-c", program, *arguments, text=text)
        assert done.returncode == 0, done.stderr
        return done

    return run


def _put_metadata(site: Path, project: Mapping[str, Any]) -> None:
    name, version = project["name"], project["version"]
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, points in project.get("entry-points", {}).items():
        lines += [f"[{group}]", *(f"{point} = {value}" for point, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join([*lines, ""]))
