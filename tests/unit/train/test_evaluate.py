from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sensorium.errors import ConfigError, MissingExtraError
from sensorium.host import Checkpoint, Pipeline, PluginHost
from sensorium.train import (
    Dataset,
    EvalReport,
    evaluate_dataset,
    fit_dataset,
    print_eval,
    print_fit,
)

MakePipeline = Callable[..., Pipeline]
MakeData = Callable[..., Dataset]
TWO_TASKS = {"kind": {"type": "one-of", "labels": ["a", "b"]}, "size": {"type": "amount"}}


@pytest.fixture
def trained(
    host: PluginHost, make_pipeline: MakePipeline, make_data: MakeData, tmp_path: Path
) -> tuple[Pipeline, Checkpoint, Any]:
    pipeline = make_pipeline("centred", tasks=TWO_TASKS)
    path = tmp_path / "toy.safetensors"
    report = fit_dataset(pipeline, host, make_data(), path, progress=False, clock=lambda: 0)
    return pipeline, report.checkpoint, report


@pytest.fixture
def report(trained: tuple[Pipeline, Checkpoint, Any], make_data: MakeData) -> EvalReport:
    pipeline, checkpoint, _ = trained
    return evaluate_dataset(
        pipeline, make_data(seed=1), checkpoint=checkpoint, drop=(0.0, 0.3, 0.6)
    )


def _printed(show: Callable[..., None], report: Any) -> str:
    out = io.StringIO()
    show(report, Console(file=out, width=200))
    return out.getvalue()


def test_all_streams_each_alone_and_outages_are_tested(report: EvalReport) -> None:
    kind = report.tasks["kind"]
    assert list(kind) == [
        "all streams",
        "left alone",
        "right alone",
        "each stream missing 30%",
        "each stream missing 60%",
    ]
    accuracy = {name: scores.metrics["accuracy"] or 0 for name, scores in kind.items()}
    assert accuracy["all streams"] > 0.9
    assert accuracy["all streams"] >= accuracy["each stream missing 60%"]
    assert accuracy["left alone"] > accuracy["right alone"]


def test_sets_with_nothing_left_are_not_counted(report: EvalReport) -> None:
    counts = {name: scores.count for name, scores in report.tasks["kind"].items()}
    assert counts["all streams"] == 200
    assert counts["left alone"] < 200
    # Both streams are gone from some 9% and 36% of the sets, and one was silent in a tenth.
    assert 160 < counts["each stream missing 30%"] < 195
    assert 100 < counts["each stream missing 60%"] < 150


def test_a_regression_is_reported_beside_a_classification(report: EvalReport) -> None:
    size = report.tasks["size"]["all streams"]
    assert size.kind == "regression"
    assert (size.metrics["r2"] or 0) > 0.5
    assert size.labels == ()


def test_an_evaluation_is_reproducible(
    trained: tuple[Pipeline, Checkpoint, Any], make_data: MakeData
) -> None:
    pipeline, checkpoint, _ = trained
    once, again = (
        evaluate_dataset(pipeline, make_data(seed=1), checkpoint=checkpoint) for _ in range(2)
    )
    assert once == again


def test_keys_that_were_trained_on_are_pointed_out(
    trained: tuple[Pipeline, Checkpoint, Any], make_data: MakeData
) -> None:
    pipeline, checkpoint, _ = trained
    report = evaluate_dataset(pipeline, make_data(), checkpoint=checkpoint)
    assert report.notes == (
        "8 of 10 keys were trained on: the figures flatter the model; `--held-out` tests only the "
        "others",
    )


def test_held_out_tests_the_keys_that_training_held_out(
    trained: tuple[Pipeline, Checkpoint, Any], make_data: MakeData
) -> None:
    pipeline, checkpoint, fitted = trained
    report = evaluate_dataset(pipeline, make_data(), checkpoint=checkpoint, held_out=True)
    assert report.keys == 2
    assert report.notes == ()
    expected = fitted.metrics["kind"]["all streams"].metrics
    assert report.tasks["kind"]["all streams"].metrics == expected


def test_held_out_needs_keys_that_were_held_out(
    trained: tuple[Pipeline, Checkpoint, Any], make_data: MakeData
) -> None:
    pipeline, checkpoint, _ = trained
    card = {**checkpoint.card, "split": {}}
    other = Checkpoint(checkpoint.weights, card, checkpoint.digest)
    with pytest.raises(ConfigError, match="no key of the data was held out"):
        evaluate_dataset(pipeline, make_data(), checkpoint=other, held_out=True)


def test_the_report_is_plain_json(report: EvalReport) -> None:
    found = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert found["tasks"]["kind"]["all streams"]["metrics"]["accuracy"] > 0.9
    assert sum(map(sum, found["tasks"]["kind"]["all streams"]["confusion"])) == 200
    assert found["conditions"][1] == {"name": "left alone", "streams": ["left"], "drop": 0.0}


def test_tables_are_aligned_and_whole_without_a_terminal(report: EvalReport) -> None:
    lines = _printed(print_eval, report).splitlines()
    assert lines[0].startswith("toy: 200 sets of 10 keys, model ")
    heading = next(line for line in lines if line.startswith("streams"))
    first = next(line for line in lines if line.startswith("all streams"))
    for word in ("sets", "accuracy", "F1", "ROC AUC", "ECE"):
        end = heading.index(word) + len(word)
        assert first[end - 1].isdigit()
    assert all(ord(letter) < 128 for line in lines for letter in line)
    assert "\x1b" not in "".join(lines)


def test_a_fit_is_printed_with_what_was_written(trained: tuple[Pipeline, Checkpoint, Any]) -> None:
    text = _printed(print_fit, trained[2])
    assert "trained on 160 sets of 8 keys, tested on 40 sets of 2 others" in text
    assert "right alone" in text
    assert f"wrote {trained[2].path} ({trained[1].digest[:12]})" in text


def test_pictures_are_written_as_png(
    trained: tuple[Pipeline, Checkpoint, Any], make_data: MakeData, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="needs: pip install 'sensorium[train]'")
    pipeline, checkpoint, _ = trained
    folder = tmp_path / "new" / "plots"
    report = evaluate_dataset(pipeline, make_data(seed=1), checkpoint=checkpoint, plots=folder)
    assert [path.name for path in report.plots] == [
        "kind-confusion.png",
        "kind-reliability.png",
        "kind-roc.png",
        "kind-conditions.png",
        "size-conditions.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in report.plots)


def test_a_drop_rate_out_of_range_is_refused(
    trained: tuple[Pipeline, Checkpoint, Any], make_data: MakeData
) -> None:
    with pytest.raises(ConfigError, match=r"the drop rates \[1.0\] must be at least 0 and less"):
        evaluate_dataset(trained[0], make_data(), checkpoint=trained[1], drop=(1.0,))


def test_a_pipeline_that_was_never_trained_is_refused(
    make_pipeline: MakePipeline, make_data: MakeData
) -> None:
    message = (
        r"^checkpoint: centred has to be trained, and there is no checkpoint: run `sensorium f"
    )
    with pytest.raises(ConfigError, match=message):
        evaluate_dataset(make_pipeline("centred"), make_data())


def test_a_checkpoint_that_lacks_a_plugin_is_refused(
    trained: tuple[Pipeline, Checkpoint, Any], make_data: MakeData
) -> None:
    pipeline, checkpoint, _ = trained
    part = {name: it for name, it in checkpoint.weights.items() if not name.startswith("fusion.")}
    with pytest.raises(
        ConfigError, match=r"by-itself has to be trained, and it has no weights fus"
    ):
        evaluate_dataset(pipeline, make_data(), checkpoint=Checkpoint(part, checkpoint.card, ""))


def test_a_missing_extra_is_named_with_the_command_that_brings_it(
    trained: tuple[Pipeline, Checkpoint, Any],
    make_data: MakeData,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [_NoSklearn(), *sys.meta_path])
    with pytest.raises(MissingExtraError, match=r"pip install 'sensorium\[train\]'"):
        evaluate_dataset(trained[0], make_data(), checkpoint=trained[1])


class _NoSklearn:
    """An installation without scikit-learn."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] == "sklearn":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
