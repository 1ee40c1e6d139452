"""The command line in this process and in one of its own, with an installed toy distribution."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sensorium.host import default_host

TOYS = '''
import numpy as np
from pydantic import Field
from sensorium import (
    Features, FeatureSpec, Fusion, Modality, PluginConfig, Policy, Task, hookimpl,
)
from sensorium.durations import DurationField

class Sensor(Modality):
    """Toy readings."""
    name = "cli-sensor"
    class Config(PluginConfig):
        channels: int = Field(description="How many.")
        rate: float = 50.0
    def decode(self, payload): return payload.data
    def prepare(self, items): return {}
    @property
    def feature(self): return FeatureSpec(self.config.channels)
    def encode(self, arrays): return Features(arrays["x"])

class Join(Fusion):
    """Toy fusion."""
    name = "cli-join"
    def fuse(self, present, **features): return {}

class Tell(Task):
    """Toy task."""
    name = "cli-tell"
    class Config(PluginConfig):
        labels: tuple[str, ...]
    size = 2
    def activate(self, logits): return logits
    def result(self, activated): return None
    def target(self, value): return None
    def loss(self, logits, targets): return None

class Slice(Policy):
    """Toy policy."""
    name = "cli-slice"
    size: DurationField
    def extent(self, max_duration): return self.size
    def matcher(self, streams, specs): return None

@hookimpl
def sensorium_modalities(): return [Sensor]
@hookimpl
def sensorium_fusions(): return [Join]
@hookimpl
def sensorium_tasks(): return [Tell]
@hookimpl
def sensorium_policies(): return [Slice]
'''

PIPELINE = """\
pipeline: toy
streams:
  accel: {modality: cli-sensor, config: {channels: 3}}
align: {policy: cli-slice, size: 2s}
fusion: {plugin: cli-join}
tasks:
  move: {type: cli-tell, labels: [a, b], target: {stream: label}}
"""

COMMANDS = """
import sys
sys.modules["loaded_marker"] = sys

def add_parser(subparsers):
    parser = subparsers.add_parser("greet", help="greet somebody")
    parser.add_argument("name")
    return parser

def run(args):
    print(f"hello {args.name}")
    return 0
"""


def _install(site: Path, distribution: str, entry_points: str, **modules: str) -> None:
    info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(textwrap.dedent(entry_points))
    for name, source in modules.items():
        (site / f"{name}.py").write_text(source)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path with an installed distribution of toys."""
    folder = tmp_path / "site"
    _install(folder, "cli-toys", "[sensorium]\ntoys = cli_toys_module\n", cli_toys_module=TOYS)
    monkeypatch.syspath_prepend(str(folder))
    default_host.cache_clear()
    yield folder
    default_host.cache_clear()
    for name in ("cli_toys_module", "greet_module", "broken_module", "loaded_marker"):
        sys.modules.pop(name, None)


@pytest.fixture
def install(site: Path) -> Callable[..., None]:
    """Install a further distribution: its name, its entry points, its modules."""
    return lambda distribution, entry_points, **modules: _install(
        site, distribution, entry_points, **modules
    )


@pytest.fixture
def greet(install: Callable[..., None]) -> None:
    """Install a distribution that brings a command."""
    install("greet-dist", "[sensorium.commands]\ngreet = greet_module\n", greet_module=COMMANDS)


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A pipeline file for the toys."""
    path = tmp_path / "toy.yaml"
    path.write_text(PIPELINE)
    return path


@pytest.fixture
def python(site: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a Python program that sees the toys."""

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(site), *filter(None, sys.path)])
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": path},
        )

    return run
