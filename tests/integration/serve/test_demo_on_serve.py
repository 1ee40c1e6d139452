"""`sensorium demo watch --executor serve`, on the Ray of these tests."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from sensorium.cli import main

pytestmark = pytest.mark.timeout(300)


def test_the_demo_gives_the_same_on_serve(
    ray_here: object, capsys: pytest.CaptureFixture[str]
) -> None:
    if find_spec("seglearn") is None:
        pytest.skip("needs seglearn: pip install 'sensorium[demo]'")
    assert main(["demo", "watch", "--executor", "serve", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["executor"] == "serve"
    assert figures["accuracy"] >= 0.82
    found = figures["serve_and_local"]
    assert (found["predictions"], found["only_one"]) == (figures["sets"], 0)
    assert found["labels"] == 0
    assert found["score"] <= 1e-5
