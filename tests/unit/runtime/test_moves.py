"""Who looks at a running pipeline with a sink of their own is told what that moves."""

from __future__ import annotations

import logging

import pytest

from sensorium.runtime._ends import warn_of_moves
from sensorium.testing import MemorySource


class Keeping(MemorySource):
    """As a member of a group."""

    keeps_cuts = True


@pytest.mark.parametrize(("source", "warned"), [(Keeping(), True), (MemorySource(), False)])
def test_only_a_source_that_keeps_cuts_moves_anything(
    source: MemorySource, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "sensorium.run"):
        warn_of_moves(source)
    assert ("--set source.group=null" in caplog.text) == warned
