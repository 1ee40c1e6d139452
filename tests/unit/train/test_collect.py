from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium.errors import ConfigError
from sensorium.host import Pipeline, PluginHost
from sensorium.train import collect, evaluate, fit

MakePipeline = Callable[..., Pipeline]
Record = Callable[..., Path]


def _rows(key: str, kind: int, count: int, seed: int) -> list[tuple[str, str, int, Any]]:
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str, int, Any]] = [("truth", key, 0, {"kind": "ab"[kind]})]
    for time in range(1, count + 1):
        for stream in ("left", "right"):
            values = [4.0 * kind - 2 + float(rng.normal()), float(rng.normal())]
            rows.append((stream, key, time, values))
    return rows


def test_a_recording_becomes_sets_with_their_targets(
    host: PluginHost, make_pipeline: MakePipeline, record: Record
) -> None:
    path = record(
        [
            ("left", "k", 5, [1.0, 2.0]),
            ("right", "k", 5, [3.0, 4.0]),
            ("truth", "k", 6, {"kind": "a"}),
            ("left", "k", 7, [1.0, 2.0]),
            ("truth", "k", 8, {"other": 1}),
            ("truth", "k", 9, {"kind": "b"}),
            ("right", "k", 9, [3.0, 4.0]),
        ]
    )
    data = collect(make_pipeline(), host, [path])
    found = [(item.time, sorted(item.members)) for item in data.sets]
    assert found == [(5, ["left", "right"]), (7, ["left"]), (9, ["right"])]
    assert data.targets == {"kind": [None, "a", "b"]}
    assert data.files[0].digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert data.files[0].size == path.stat().st_size


def test_what_cannot_be_decoded_is_counted_and_stops_nothing(
    host: PluginHost, make_pipeline: MakePipeline, record: Record
) -> None:
    rows = [("left", "k", 1, [1.0, 2.0, 3.0]), ("left", "k", 2, [1.0, 2.0])]
    data = collect(make_pipeline(), host, [record(rows)])
    assert data.dead_letters == 1
    assert [item.time for item in data.sets] == [2]


def test_nothing_is_aligned_or_joined_across_two_recordings(
    host: PluginHost, make_pipeline: MakePipeline, record: Record
) -> None:
    one = record([("truth", "k", 1, {"kind": "a"}), ("left", "k", 5, [1.0, 2.0])], "one.jsonl")
    two = record([("right", "k", 5, [1.0, 2.0])], "two.jsonl")
    data = collect(make_pipeline(), host, [one, two])
    assert [sorted(item.members) for item in data.sets] == [["left"], ["right"]]
    assert data.targets["kind"] == ["a", None]


def test_fit_and_eval_go_from_recordings_to_a_report(
    host: PluginHost, make_pipeline: MakePipeline, record: Record, tmp_path: Path
) -> None:
    train = record([row for k in range(8) for row in _rows(f"k{k}", k % 2, 20, k)], "train.jsonl")
    test = record([row for k in range(4) for row in _rows(f"t{k}", k % 2, 20, 50 + k)])
    output = tmp_path / "toy.safetensors"
    fitted = fit(make_pipeline("centred"), host, [train], output, progress=False)
    assert fitted.checkpoint.card["data"][0]["name"] == "train.jsonl"
    served = replace(make_pipeline("centred"), checkpoint=output)
    report = evaluate(served, host, [test], json_path=tmp_path / "report.json")
    assert report.notes == ()
    assert report.model == fitted.checkpoint.digest
    saved = json.loads((tmp_path / "report.json").read_text())
    assert saved["tasks"]["kind"]["all streams"]["metrics"]["accuracy"] > 0.9
    assert saved["sets"] == 80


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.jsonl", r"cannot read the recording .*none\.jsonl: No such file"),
        ("data.csv", r"cannot tell what .*data\.csv is from its name: a recording ends in \.jsonl"),
    ],
)
def test_a_recording_that_cannot_be_read_is_named(
    host: PluginHost, make_pipeline: MakePipeline, tmp_path: Path, name: str, message: str
) -> None:
    if name.endswith(".csv"):
        (tmp_path / name).touch()
    with pytest.raises(ConfigError, match=message):
        collect(make_pipeline(), host, [tmp_path / name])


def test_no_recording_at_all_is_refused(host: PluginHost, make_pipeline: MakePipeline) -> None:
    with pytest.raises(ConfigError, match="there is no data: name a recording with `--data FILE`"):
        collect(make_pipeline(), host, [])
