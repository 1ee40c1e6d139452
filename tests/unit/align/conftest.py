"""`play`: run a few calls through the oracle and through the engine, and see what comes out."""

from __future__ import annotations

import os

import pytest
from alignment_play import Play, in_engine, in_oracle


@pytest.fixture(params=[in_oracle, in_engine], ids=["oracle", "engine"])
def play(request: pytest.FixtureRequest) -> Play:
    """Both must say the same: examples worked by hand hold the oracle, too."""
    runner: Play = request.param
    return runner


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A soak takes as long as it takes."""
    if os.environ.get("SENSORIUM_SOAK") == "1":
        for item in items:
            item.add_marker(pytest.mark.timeout(0))
