"""`sensorium demo digits` as a user runs it: images, synthetic speech and typed guesses."""

import json
import re
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium.demo import DEMOS

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(
        any(find_spec(name) is None for name in DEMOS["digits"].packages),
        reason="needs what the demo needs: pip install 'sensorium[digits]'",
    ),
]

COMMAND = (sys.executable, "-c", "import sys; from sensorium.cli import main; sys.exit(main())")
STREAMS = {"camera", "microphone", "chat"}


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "demo", "digits", *arguments], capture_output=True, text=True, timeout=110
    )


@cache
def figures(*arguments: str) -> dict[str, Any]:
    done = demo("--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_streaming_is_as_good_as_perfectly_aligned_windows() -> None:
    found = figures()
    assert abs(found["accuracy"] - found["accuracy_offline"]) <= 0.005
    assert found["accuracy"] >= 0.95
    assert found["sets"] == 800
    assert found["fates"] == {"matched": found["events"]}
    assert set(found["absences"]) == {"chat"}


def test_all_together_are_better_than_each_alone() -> None:
    by_streams = figures()["accuracy_by_streams"]
    together = by_streams["camera+microphone+chat"]
    for name in STREAMS:
        assert 0.5 < by_streams[name] < together


def test_with_outages_it_goes_on_with_what_is_there() -> None:
    found = figures("--outage", "0.3")
    assert set(found["absences"]) == STREAMS
    assert found["accuracy"] >= 0.8


def test_speech_under_the_keys_of_others_does_harm() -> None:
    assert figures("--shuffle-keys")["accuracy"] <= figures()["accuracy"] - 0.05


def test_piped_it_prints_predictions_as_they_come_and_a_summary() -> None:
    done = demo("--disorder", "4s")
    assert done.returncode == 0, done.stderr
    assert "40 sessions, 800 digits; neither their images nor their voices were trained on" in (
        done.stdout
    )
    assert re.search(
        r"predictions, accuracy 0\.\d{3}, .* test-\d{3} at \d\d:\d\d: \d [01]\.\d\d from "
        r"[a-z+]+, (right|wrong)\n",
        done.stdout,
    )
    assert re.search(r"\naccuracy, camera \+ microphone \+ chat only +0\.\d{3}\n", done.stdout)
    assert re.search(r"\nevents late +\d", done.stdout)


def test_real_speech_is_evaluated_by_the_names_of_its_files(tmp_path: Path) -> None:
    import soundfile

    random = np.random.default_rng(0)
    for name in ("7_ann_0", "1_bob_0", "1_bob_1"):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * random.normal(size=11025), 22050)
    done = demo("--json", "--real-speech", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["sets"], found["dead_letters"]) == (3, 0)
    assert found["accuracy"] == found["accuracy_offline"]
    assert found["accuracy_by_streams"]["camera"] is None
    assert set(found["absences"]) == {"camera", "chat"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "stats"], "there is no model 'stats'; there are gated"),
        (
            ["--real-speech", "nowhere"],
            "nowhere has no file named digit_speaker_index.wav, as 7_ann_0.wav",
        ),
        (
            ["--real-speech", ".", "--outage", "0.1"],
            "nothing goes wrong with --real-speech: leave the other options out",
        ),
    ],
)
def test_what_cannot_be_done_is_refused(arguments: list[str], message: str) -> None:
    done = demo(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"sensorium: {message}\n"
