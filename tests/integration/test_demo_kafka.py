"""``sensorium demo kafka``: producer, engine and consumer through a real Apache Kafka."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

# What a shell starts in the background ignores Ctrl-C, and hands that down to all that it starts.
PROGRAM = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from sensorium.cli import main; sys.exit(main())"
)


@pytest.fixture
def command(broker: str) -> list[str]:
    if importlib.util.find_spec("seglearn") is None:
        pytest.skip("needs pip install 'sensorium[demo]'")
    return [sys.executable, "-c", PROGRAM, "demo", "kafka", "--bootstrap-servers", broker]


def test_what_is_played_into_topics_is_recognised(command: list[str]) -> None:
    done = subprocess.run(
        [*command, "--speed", "max", "--json"],
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "11392 records sent" in done.stderr
    figures = json.loads(done.stdout)
    # All 2,090 windows but those at the end of a recording: nothing later of their key passes them.
    assert figures["predictions"] > 1800
    assert figures["accuracy"] > 0.8


def test_ctrl_c_ends_all_of_it(command: list[str]) -> None:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        head = ""
        for line in running.stdout:
            head += line
            if line.startswith("["):
                break
        running.send_signal(signal.SIGINT)
        text = head + running.stdout.read()
    assert running.returncode == 130
    assert re.search(r"s after its window began, (right|wrong)\n", text)
    assert re.search(r"\n[1-9][0-9,]* predictions, accuracy [01]\.\d{3}\n$", text)
    producer, engine = map(int, re.findall(r"is process (\d+), the engine (\d+)", text)[0])
    for process in (producer, engine):
        _wait_until_gone(process)


def _wait_until_gone(process: int) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"process {process} goes on")
