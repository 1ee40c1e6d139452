"""`play`: run a few calls through the oracle and through the engine, and see what comes out."""

from __future__ import annotations

import pytest
from alignment_play import Play, in_engine, in_oracle


@pytest.fixture(params=[in_oracle, in_engine], ids=["oracle", "engine"])
def play(request: pytest.FixtureRequest) -> Play:
    """Both must say the same: examples worked by hand hold the oracle, too."""
    runner: Play = request.param
    return runner
