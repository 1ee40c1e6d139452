"""The wheel: built without a network, unpacked as an installer does it, and used."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    pytest.importorskip("hatchling", reason="needs hatchling: pip install --group dev")
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Run:
    """Run a program that finds Sensorium in the unpacked wheel, and not in this tree."""
    site = tmp_path / "wheel"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(site)},
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


def test_the_wheel_has_all_files_of_both_packages(wheel: Path):
    packed = set(zipfile.ZipFile(wheel).namelist())
    for root in ("engine", "plugins"):
        for package in (ROOT / root).glob("sensorium*/"):
            if not (package / "__init__.py").exists():
                continue  # a distribution of its own
            kept = (file for file in package.rglob("*") if "__pycache__" not in file.parts)
            files = {str(file.relative_to(ROOT / root)) for file in kept if file.is_file()}
            assert f"{package.name}/py.typed" in files
            assert files <= packed


def test_the_wheel_has_nothing_else(wheel: Path):
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "sensorium",
        "sensorium_plugins",
    }


def test_the_installed_wheel_brings_its_plugins(installed: Run, tmp_path: Path):
    where = installed("import sensorium, sensorium_plugins as p; print(sensorium.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(tmp_path)
    program = "import sys; from sensorium.cli import main; sys.exit(main())"
    listed = installed(program, "plugins", "list").stdout
    assert "plugin builtin of sensorium" in listed
    assert "sensor-stats" in listed


def test_the_version_is_that_of_the_package(project: Mapping[str, Any]):
    import sensorium

    assert project["project"]["version"] == sensorium.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert f"\n## {sensorium.__version__}" in changelog
