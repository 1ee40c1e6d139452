"""`make demo`: the watch on Ray Serve, on the Ray of these tests, as the README shows it."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from sensorium.cli import main
from sensorium.demo import DEMOS

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


@pytest.mark.torch
def test_the_digits_come_out_the_same(ray_here: object, capsys: pytest.CaptureFixture[str]) -> None:
    """Images, sound and text, each of which has networks of its own."""
    if any(find_spec(name) is None for name in DEMOS["digits"].packages):
        pytest.skip("needs what the demo needs: pip install 'sensorium[digits]'")
    assert main(["demo", "digits", "--json", "--executor", "serve"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["executor"] == "serve"
    assert found["accuracy"] == found["accuracy_offline"]
    both = found["serve_and_local"]
    assert (both["predictions"], both["only_one"], both["labels"]) == (800, 0, 0)
    assert both["score"] <= 1e-5
