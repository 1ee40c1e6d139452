from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from sensorium.errors import RunError
from sensorium.events import DeadLetter, Prediction, TaskResult
from sensorium.wire import dead_letter_from_dict, prediction_from_dict
from sensorium_plugins.sinks import JsonLinesSink, JsonLinesSinkConfig

PREDICTION = Prediction("i", "p", "k", 1, {"t": TaskResult(label="é")})
LETTER = DeadLetter("ingest", "WireError", "no", origin="t/0/1", data=b"\x00", headers={"a": b"1"})


def lines(data):
    return [json.loads(line) for line in data.decode().splitlines()]


def test_predictions_go_to_standard_output_and_dead_letters_to_standard_error_in_brief():
    out, err = io.BytesIO(), io.BytesIO()
    sink = JsonLinesSink(JsonLinesSinkConfig(), stdout=out, stderr=err)
    sink.write([PREDICTION, PREDICTION])
    sink.write([])
    sink.write_dead_letters([LETTER])
    sink.flush()
    assert [prediction_from_dict(line) for line in lines(out.getvalue())] == [PREDICTION] * 2
    (letter,) = lines(err.getvalue())
    assert letter["origin"] == "t/0/1"
    assert "data" not in letter
    sink.close()
    sink.close()
    assert not out.closed


def test_a_device_that_keeps_nothing_will_do():
    sink = JsonLinesSink(JsonLinesSinkConfig(path=os.devnull))
    sink.write([PREDICTION])
    sink.flush()
    sink.close()


def test_files_are_appended_to_and_dead_letters_are_complete(tmp_path):
    path, letters = tmp_path / "out.jsonl", tmp_path / "dead.jsonl"
    for _ in range(2):
        sink = JsonLinesSink(JsonLinesSinkConfig(path=str(path), dead_letters=str(letters)))
        sink.write([PREDICTION])
        sink.write_dead_letters([LETTER])
        sink.close()
        sink.close()
    assert [prediction_from_dict(line) for line in lines(path.read_bytes())] == [PREDICTION] * 2
    assert [dead_letter_from_dict(line) for line in lines(letters.read_bytes())] == [LETTER] * 2


def test_what_was_flushed_can_be_read_before_the_close(tmp_path):
    path = tmp_path / "out.jsonl"
    sink = JsonLinesSink(JsonLinesSinkConfig(path=str(path)))
    sink.write([PREDICTION])
    sink.flush()
    assert len(lines(path.read_bytes())) == 1
    sink.close()


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    sink = JsonLinesSink(JsonLinesSinkConfig(path=str(tmp_path / "no" / "out.jsonl")))
    with pytest.raises(RunError, match=r"out\.jsonl: cannot be written \(No such file"):
        sink.write([PREDICTION])


def test_one_file_for_both_is_refused(tmp_path):
    path = str(tmp_path / "out.jsonl")
    with pytest.raises(ValidationError, match="path and dead_letters name the same file"):
        JsonLinesSinkConfig(path=path, dead_letters=path)


PROGRAM = """
import sys
from sensorium.errors import RunError
from sensorium.events import Prediction
from sensorium_plugins.sinks import JsonLinesSink, JsonLinesSinkConfig
sink = JsonLinesSink(JsonLinesSinkConfig())
try:
    while True:
        sink.write([Prediction("i", "p", "k", 1, {})] * 100)
        sink.flush()
except RunError as error:
    print(error, file=sys.stderr)
try:
    sink.write([Prediction("i", "p", "k", 1, {})])
except RunError:
    sink.close()
    raise SystemExit(1)
"""


def test_a_reader_that_goes_away_ends_the_run_with_one_clear_line():
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["id"] == "i"
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read().decode()
        assert process.wait(60) == 1
    assert said == (
        "standard output was closed by its reader (as `| head` does); nothing more is written\n"
    )
