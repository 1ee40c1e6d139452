"""What the tests of the kit share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from kit_plugins import Good, GoodFusion, TwoWay

from sensorium.plugin import FeatureSpec, PluginConfig


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give time to those that start Ray; on a busy machine that takes minutes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture
def kit() -> SimpleNamespace:
    """Plugins that conform, and what they are tried with."""
    return SimpleNamespace(
        Good=Good,
        GoodFusion=GoodFusion,
        task=TwoWay(PluginConfig()),
        payloads=[[1.0, 2.0, 3.0], [4.0, -5.0, 6.5], [0.0, 0.5, 1.0]],
        specs={"v": FeatureSpec(4), "s": FeatureSpec(2, "sequence")},
    )


@pytest.fixture
def run_pytest(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run pytest in `tmp_path`, in a process of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=False,
        )

    return run
