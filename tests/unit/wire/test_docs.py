"""The page about the wire is run, and its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sensorium.events import Prediction, TaskResult
from sensorium.wire import FieldMap, dead_letter_schema, prediction_json, prediction_schema

PAGE = (Path(__file__).parents[3] / "docs" / "wire.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    one = Prediction("i", "p", "k1", 5, {"t": TaskResult(label="ROW")})
    line = prediction_json(one)
    Path("predictions.jsonl").write_text(f"{line}\n{line}\n")
    names: dict[str, object] = {}
    for example in EXAMPLES:
        exec(compile(example, "docs/wire.md", "exec"), names)
    assert capsys.readouterr().out == "k1 5 {'t': 'ROW'} {}\n"


def test_the_reader_has_ten_lines():
    (reader,) = (example for example in EXAMPLES if "predictions.jsonl" in example)
    assert len([line for line in reader.splitlines() if line]) <= 10


@pytest.mark.parametrize(
    "name",
    [
        *prediction_schema()["properties"],
        *dead_letter_schema()["properties"],
        *FieldMap.model_fields,
    ],
)
def test_every_field_is_documented(name):
    assert f"`{name}`" in PAGE
