from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sensorium.errors import ConfigError
from sensorium.host import Finding, PluginHost, check_pipeline, load_pipeline, write_checkpoint
from sensorium.plugin import Source

Check = Callable[..., list[Finding]]


@pytest.fixture
def check(pipeline_file: Path, host: PluginHost) -> Check:
    """Check the example, with overrides, its checkpoint being there."""
    weights = {"streams.accel.w": np.ones(1), "fusion.w": np.ones(1)}
    write_checkpoint(pipeline_file.parent / "watch.safetensors", weights, {})

    def run(*overrides: str) -> list[Finding]:
        return check_pipeline(load_pipeline(pipeline_file, overrides=overrides, plugins=host))

    return run


def test_a_delivery_that_the_ends_cannot_do_is_said(check: Check) -> None:
    found = {finding.path: finding for finding in check()}
    assert found["delivery"].level == "error"
    assert found["delivery"].fix == "give the source a `group`, or set delivery to at_least_once"


def test_a_good_pipeline_has_notes_at_most(check: Check) -> None:
    [finding] = check("delivery=at_least_once")
    assert finding == Finding(
        "note",
        "streams.gyro",
        "the local executor does not use placement, resources, replicas",
        "set runtime.executor to serve, or take it out",
    )


@pytest.mark.parametrize(("drain", "said"), [("19s", False), ("20s", True)])
def test_a_drain_that_outlasts_the_longest_time_between_polls_is_said(
    check: Check, monkeypatch: pytest.MonkeyPatch, drain: str, said: bool
) -> None:
    monkeypatch.setattr(Source, "max_poll_interval", 20_000_000_000)
    found = [it for it in check(f"runtime.drain={drain}") if it.path == "runtime.drain"]
    assert [it.level for it in found] == ["warning"] * said
    assert all("20s" in it.fix for it in found)


def test_on_serve_placement_is_no_finding(check: Check) -> None:
    assert check("delivery=at_least_once", "observe=null", "runtime.executor=serve") == []


@pytest.mark.parametrize(
    ("overrides", "level", "path", "message", "fix"),
    [
        (
            ("checkpoint=none.safetensors",),
            "error",
            "checkpoint",
            "none.safetensors does not exist",
            "sensorium fit PIPELINE",
        ),
        (("checkpoint=~",), "warning", "checkpoint", "starts from scratch", "sensorium fit"),
        (
            ("checkpoint=watch.yaml",),
            "error",
            "checkpoint",
            "not a sound safetensors",
            "train it again",
        ),
        (
            ("align.deadline=inf", "streams.accel.max_delay=inf"),
            "warning",
            "streams.accel.max_delay",
            "a silent accel holds sets back",
            "set align.deadline or max_delay",
        ),
        (
            ("streams.accel.lateness=3s",),
            "warning",
            "align.deadline",
            "sets wait 1s, less than the lateness of accel (3s)",
            "to at least 3s",
        ),
        (
            ("align.hop=5s",),
            "warning",
            "align.hop",
            "windows of 2s every 5s leave out what lies between",
            "at most 2s",
        ),
        (("tasks.exercise.target=~",), "note", "tasks.exercise", "has no target", "add target:"),
        (("source=~",), "note", "source", "none is named", "--data FILE"),
        (("sink=~",), "note", "sink", "none is named", "--sink -"),
        (
            ("source.password=${env:SENSORIUM_TEST_UNSET}",),
            "warning",
            "source",
            "SENSORIUM_TEST_UNSET is not set",
            "provide it",
        ),
        (
            ("source.password=hunter2",),
            "warning",
            "source.password",
            "a secret seems to stand in",
            "${env:NAME}",
        ),
        (
            ("streams.gyro.modality=toy-text", "streams.gyro.config={}"),
            "error",
            "streams.gyro.modality",
            "toy-text needs no_such_package_here, which is not installed",
            "pip install no_such_package_here",
        ),
        (("fusion.dim=2000",), "error", "fusion", "dim is too great", "change the fusion"),
    ],
)
def test_each_finding_has_its_place_and_its_fix(
    check: Check, overrides: tuple[str, ...], level: str, path: str, message: str, fix: str
) -> None:
    found = [finding for finding in check(*overrides) if finding.path == path]
    assert [finding.level for finding in found] == [level]
    assert message in found[0].message
    assert fix in found[0].fix


def test_a_checkpoint_of_another_pipeline_is_an_error(check: Check, pipeline_file: Path) -> None:
    other = {"streams.heart.w": np.ones(1)}
    write_checkpoint(pipeline_file.parent / "watch.safetensors", other, {})
    first = check()[0]
    assert (first.level, first.path) == ("error", "checkpoint")
    assert "has weights for the stream 'heart'" in first.message


def test_a_secret_is_not_shown(check: Check) -> None:
    assert "hunter2" not in str(check("source.password=hunter2"))


def test_errors_come_first(check: Check) -> None:
    levels = [finding.level for finding in check("source=~", "align.hop=5s", "checkpoint=none.bin")]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    assert set(levels) == {"error", "warning", "note"}


def test_a_missing_extra_is_named_with_its_command(
    pipeline_file: Path,
    pipeline_text: str,
    host: PluginHost,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import importlib.util

    monkeypatch.setattr(host.fusions["toy-fusion"], "requires", ("torch",), raising=False)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, package=None: None if name == "torch" else find_spec(name, package),
    )
    findings = check_pipeline(load_pipeline(pipeline_file, plugins=host))
    assert (
        Finding(
            "error",
            "fusion.plugin",
            "toy-fusion needs torch, which is not installed",
            "pip install 'sensorium[torch]'",
        )
        in findings
    )


def test_a_door_without_its_token_is_said(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    more = ("delivery=at_least_once", "observe=null", "runtime.executor=serve")
    assert check(*more, "door={}") == []
    [finding] = check(*more, "door.bind=0.0.0.0")
    assert (finding.level, finding.path) == ("warning", "door.token")
    assert "the environment variable SENSORIUM_DOOR_TOKEN is not set" in finding.message
    monkeypatch.setenv("SENSORIUM_DOOR_TOKEN", "t")
    assert check(*more, "door.bind=0.0.0.0") == []


def test_a_token_in_the_file_is_refused_and_not_shown(check: Check) -> None:
    with pytest.raises(ConfigError, match=r"door\.token") as caught:
        check("door.token=hunter2")
    assert "hunter2" not in str(caught.value)
