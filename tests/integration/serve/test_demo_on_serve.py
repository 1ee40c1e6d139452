"""`make demo`: the watch on Ray Serve, on the Ray of these tests, as the README shows it."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from sensorium.cli import main

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[3]
#: What differs from run to run.
_MEASURED = ("events per second", "latency", "scores within")


def figures(text: str) -> dict[str, str]:
    """The names and values at the end of what the demo prints."""
    lines = text.rstrip().rpartition("\n\n")[2].splitlines()
    return dict(re.split(r" {2,}", line) for line in lines)


def test_make_demo_gives_what_the_readme_shows(
    ray_here: object, capsys: pytest.CaptureFixture[str]
) -> None:
    if find_spec("seglearn") is None:
        pytest.skip("needs seglearn: pip install 'sensorium[demo]'")
    makefile = (ROOT / "Makefile").read_text()
    command = re.findall(r"bin/sensorium (demo .*) \$\(ARGS\)", makefile)[0]
    assert main(command.split()) == 0
    printed = capsys.readouterr().out
    [shown] = re.findall(r"```text\n(4 people.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert printed.splitlines()[:2] == shown.splitlines()[:2]
    deployments = r"deployments after [\d.]+ s: (.*)"
    assert re.findall(deployments, printed) == re.findall(deployments, shown)
    found, promised = figures(printed), figures(shown)
    assert list(found) == list(promised)
    for name, value in promised.items():
        if not any(it in name for it in _MEASURED):
            assert found[name] == value, name
    assert float(found["accuracy, streamed"]) >= 0.82
    assert float(found["serve and local, scores within"]) <= 1e-5
