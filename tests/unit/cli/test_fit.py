"""``sensorium fit``: what is asked for on the command line is what the checkpoint's card says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open

from sensorium.cli import main

SECOND = 1_000_000_000
PIPELINE = """
pipeline: moods
streams:
  chat: {modality: text-tfidf, max_delay: 1h, max_future: 1h, config: {dim: 32}}
  room: {modality: tabular, max_delay: 1h, max_future: 1h, config: {numbers: [heat]}}
align: {policy: exact, require: any}
fusion: {plugin: concat}
tasks:
  mood: {type: classification, labels: [calm, upset], target: {stream: truth, field: mood}}
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    pipeline, data = tmp_path / "moods.yaml", tmp_path / "data.jsonl"
    pipeline.write_text(PIPELINE)
    with data.open("w") as lines:
        for at in range(64):
            mood = ("calm", "upset")[at % 2]
            values = {"chat": f"so {mood}", "room": {"heat": 20 + at % 2}, "truth": {"mood": mood}}
            for stream, value in values.items():
                row = {"stream": stream, "key": f"user{at % 8}", "time": at * SECOND,
                       "arrived": at * SECOND, "data": value}  # fmt: skip
                lines.write(json.dumps(row) + "\n")
    return str(pipeline), str(data)


@pytest.mark.parametrize(("given", "share"), [((), 0.3), (("--modality-dropout", "0"), 0.0)])
def test_modality_dropout_is_used_and_stands_in_the_card(
    files: tuple[str, str], tmp_path: Path, given: tuple[str, ...], share: float
) -> None:
    pipeline, data = files
    output = tmp_path / "moods.safetensors"
    assert main(["fit", pipeline, "--data", data, "-o", str(output), *given]) == 0
    with safe_open(output, "numpy") as checkpoint:
        text = json.dumps(checkpoint.metadata())
    assert f'modality_dropout\\": {share}' in text


def test_a_share_that_is_none_is_refused(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline, data = files
    output = tmp_path / "moods.safetensors"
    given = ["--modality-dropout", "1", "-o", str(output)]
    assert main(["fit", pipeline, "--data", data, *given]) == 2
    assert "the modality dropout is 1; it must lie in [0, 1)" in capsys.readouterr().err
    assert not output.exists()
