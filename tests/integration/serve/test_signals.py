"""The first Ctrl-C drains a run on Ray Serve, and only then is anything deleted."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sensorium.host import Pipeline

pytestmark = pytest.mark.timeout(300)

COMMAND = (sys.executable, "-c", "import sys; from sensorium.cli import main; sys.exit(main())")


def test_the_first_signal_drains(
    ray_here: Any,
    adding: Callable[..., Pipeline],
    numbers: Callable[..., Path],
    tmp_path: Path,
) -> None:
    import ray
    from ray import serve

    file = tmp_path / "adding.yaml"
    file.write_text(yaml.safe_dump(adding().document()))
    recording = numbers(range(3000))
    address = ray.get_runtime_context().gcs_address
    arguments = [str(file), "--data", str(recording), "--sink", "-", "--speed", "1"]
    serving = ["--executor", "serve", "--address", address]
    with subprocess.Popen(
        [*COMMAND, "run", *arguments, *serving],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        first = running.stdout.readline()
        running.send_signal(signal.SIGINT)
        lines = [first, *running.stdout]
        said = running.stderr.read()
    assert running.returncode == 0, said
    # What had been read has been predicted, and all of it has arrived; the rest was not read.
    [told] = re.findall(r"^predictions +([\d,]+)$", said, re.MULTILINE)
    [sets] = re.findall(r"^sets +([\d,]+)$", said, re.MULTILINE)
    assert told == sets
    assert len(lines) == int(told.replace(",", "")) < 3000
    assert not [name for name in serve.status().applications if name.startswith("adding-run")]
