"""An engine that runs as a user runs it, fed line by line."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_programs import NoPrometheusError
from prometheus_server import Prometheus, eventually, free_port, get_json, prometheus

import sensorium.demo

#: Ten minutes in a rule are five seconds here.
HURRY = 120

WATCH = Path(sensorium.demo.__file__).parent / "data" / "watch.yaml"


class Engine:
    """A running `sensorium run` that reads standard input.

    Parameters
    ----------
    process
        The process.
    port
        Where it serves metrics and health.
    folder
        Where its output is.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        self.process = process
        self.target = f"127.0.0.1:{port}"
        self._folder = folder

    def feed(self, stream: str, *, poison: bool = False, count: int = 1) -> None:
        """Write records of the last half second."""
        assert self.process.stdin is not None
        chunk: Any = "poison" if poison else np.zeros((25, 3)).tolist()
        for _ in range(count):
            record = {"stream": stream, "key": "wrist", "time": time.time_ns(), "data": chunk}
            self.process.stdin.write(json.dumps(record).encode() + b"\n")
        self.process.stdin.flush()

    def health(self, which: str) -> Any:
        """What ``/health/live`` or ``/health/ready`` says."""
        return get_json(f"http://{self.target}/health/{which}")

    def log(self) -> list[dict[str, Any]]:
        """What it has logged."""
        lines = (self._folder / "log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"time"')]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Start an engine on a pipeline, by default that of the watch; the rest are arguments."""
    with contextlib.ExitStack() as closing:

        def run(*arguments: str, pipeline: Path = WATCH, source: str | None = "-") -> Engine:
            port = free_port()
            command = [
                str(Path(sys.executable).with_name("sensorium")), "run", str(pipeline),
                "--observe", f"127.0.0.1:{port}", "--log-format", "json",
                *(() if source is None else ("--data", source, "--sink", str(tmp_path / "out"))),
                *arguments,
            ]  # fmt: skip
            log = closing.enter_context((tmp_path / "log").open("wb"))
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=dict(os.environ)
            )
            closing.callback(_end, process)
            engine = Engine(process, port, tmp_path)
            eventually(lambda: _ready(engine))
            return engine

        yield run


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Callable[[Any], Prometheus]]:
    """Have an engine scraped."""
    with contextlib.ExitStack() as closing:

        def watch(engine: Any) -> Prometheus:
            try:
                return closing.enter_context(
                    prometheus(tmp_path, {"sensorium": [engine.target]}, hurry=HURRY)
                )
            except NoPrometheusError as error:
                pytest.skip(f"needs Prometheus: {error}")

        yield watch


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Install plugins, as a module's name and text, for the engines that are started."""

    def write(name: str, text: str) -> None:
        info = tmp_path / "site" / f"{name}-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[sensorium]\n{name} = {name}_plugin\n")
        (info.parent / f"{name}_plugin.py").write_text(text)
        monkeypatch.setenv(
            "PYTHONPATH",
            os.pathsep.join(filter(None, [str(info.parent), os.environ.get("PYTHONPATH")])),
        )
        monkeypatch.syspath_prepend(str(info.parent))

    return write


def _ready(engine: Engine) -> bool:
    assert engine.process.poll() is None, engine.log()
    return bool(engine.health("ready")["ready"])


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=20)
