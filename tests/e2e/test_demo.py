"""`sensorium demo watch` as a user runs it, on the real recordings."""

import json
import re
import signal
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from typing import Any

import pytest

from sensorium.host import default_host

pytestmark = [
    pytest.mark.skipif(
        find_spec("seglearn") is None, reason="needs seglearn: pip install 'sensorium[demo]'"
    ),
    pytest.mark.skipif(
        "sensor-stats" not in default_host().modalities,
        reason="needs sensorium to be installed: pip install -e .",
    ),
]

COMMAND = (sys.executable, "-c", "import sys; from sensorium.cli import main; sys.exit(main())")


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "demo", *arguments], capture_output=True, text=True, timeout=100
    )


@cache
def figures(*arguments: str) -> dict[str, Any]:
    done = demo("watch", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_streaming_is_as_good_as_perfectly_aligned_windows() -> None:
    found = figures()
    assert abs(found["accuracy"] - found["accuracy_offline"]) <= 0.005
    assert found["accuracy"] >= 0.82


def test_each_modality_alone_is_worse_than_both() -> None:
    by_streams = figures()["accuracy_by_streams"]
    assert set(by_streams) == {"accel", "gyro", "accel+gyro"}
    assert by_streams["accel"] < by_streams["accel+gyro"]
    assert by_streams["gyro"] < by_streams["accel+gyro"]


def test_every_event_without_damage_is_matched() -> None:
    found = figures()
    assert found["fates"] == {"matched": found["events"]}
    assert found["sets"] > 1000
    assert found["events_per_s"] > 0
    assert 0 < found["latency_p50_ms"] <= found["latency_p99_ms"]


def test_outages_cost_little() -> None:
    found = figures("--outage", "0.3")
    assert found["accuracy"] >= 0.75
    assert set(found["absences"]) == {"accel", "gyro"}


@pytest.mark.skipif(
    find_spec("torch") is None, reason="needs torch: pip install 'sensorium[torch]'"
)
def test_the_networks_that_ship_are_as_good_streamed_and_aligned_perfectly() -> None:
    found = figures("--model", "cnn")
    assert found["model"] == "cnn"
    assert abs(found["accuracy"] - found["accuracy_offline"]) <= 0.005
    assert found["accuracy"] >= 0.82
    by_streams = found["accuracy_by_streams"]
    assert max(by_streams["accel"], by_streams["gyro"]) < by_streams["accel+gyro"]


def test_alignment_is_what_carries_it() -> None:
    assert figures("--shuffle-keys")["accuracy"] <= figures()["accuracy"] - 0.2


def test_disorder_within_the_lateness_changes_nothing() -> None:
    ordered, whole = figures("--disorder", "0"), figures()
    same = ("accuracy", "accuracy_by_streams", "sets", "events", "fates")
    assert {name: ordered[name] for name in same} == {name: whole[name] for name in same}


def test_disorder_beyond_the_deadline_makes_events_late() -> None:
    assert figures("--disorder", "4s")["fates"]["late"] > 0


def test_lost_events_are_not_there() -> None:
    assert figures("--lose", "0.3")["events"] < 0.75 * figures()["events"]


def test_piped_it_prints_plain_lines() -> None:
    done = demo()
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "4 people whom the model has not seen, 56 recordings" in done.stdout
    assert re.search(r"predictions, accuracy 0\.\d{3}, .* (right|wrong)\n", done.stdout)
    assert re.search(r"\naccuracy, streamed +0\.\d{3}\n", done.stdout)


def test_where_no_ray_can_be_started_it_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/proc/none")
    done = demo("--executor", "auto")
    assert done.returncode == 0, done.stderr
    told = r"no Ray can be started here \(cannot start a local Ray: .*\): going on in one process\n"
    assert re.search(told, done.stdout)
    assert "\naccuracy, streamed " in done.stdout
    assert "serve and local" not in done.stdout
    silent = demo("--executor", "auto", "--json")
    assert json.loads(silent.stdout)["executor"] == "local"
    assert silent.stderr.startswith("no Ray can be started here (")
    asked = demo("--executor", "serve")
    assert (asked.returncode, asked.stderr[:37]) == (1, "sensorium: cannot start a local Ray: ")


def test_ctrl_c_ends_it_with_the_figures_so_far() -> None:
    command = [*COMMAND, "demo", "--speed", "10"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        head = running.stdout.readline() + running.stdout.readline()
        running.send_signal(signal.SIGINT)
        text = head + running.stdout.read()
    assert running.returncode == 130
    assert "predictions, accuracy" in head
    assert re.search(r"\naccuracy, streamed +[01]\.\d{3}\n", text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["listen"], "there is no demo 'listen'; there are watch, digits, kafka"),
        (["--model", "tree"], "there is no model 'tree'; there are stats, cnn"),
        (
            ["--partitions", "2"],
            "--bootstrap-servers and --partitions are for `sensorium demo kafka`",
        ),
        (["--lose", "1.5"], "--lose is 1.5; it is a share: at least 0, less than 1"),
        (["--speed", "0"], "--speed is 0; it must be greater than 0, or max"),
        (
            ["--disorder", "5"],
            "--disorder: '5' is not a duration; write it as '250ms', '1h30m' or 'inf'",
        ),
    ],
)
def test_what_cannot_be_done_is_refused(arguments: list[str], message: str) -> None:
    done = demo(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"sensorium: {message}\n"
