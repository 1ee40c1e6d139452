from collections.abc import Callable
from pathlib import Path

import pytest

from sensorium.errors import ConfigError
from sensorium.host import Pipeline, PluginHost, load_pipeline

Load = Callable[..., Pipeline]


@pytest.fixture
def load(tmp_path: Path, pipeline_text: str, host: PluginHost) -> Load:
    """Load the example with texts replaced."""

    def run(*replacements: tuple[str, str], overrides: tuple[str, ...] = ()) -> Pipeline:
        text = pipeline_text
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "watch.yaml"
        path.write_text(text)
        return load_pipeline(path, overrides=overrides, plugins=host)

    return run


def test_a_pipeline_is_composed_of_the_file_and_the_plugins(load: Load, tmp_path: Path) -> None:
    pipeline = load()
    assert pipeline.name == "watch"
    assert list(pipeline.streams) == ["accel", "gyro"]
    accel, gyro = pipeline.streams.values()
    assert (accel.topic, gyro.topic) == ("watch.accel", "gyro")
    assert (accel.batch_size, gyro.batch_size) == (64, 32)
    assert (accel.spec.max_delay, accel.spec.max_future) == (10_000_000_000, 5_000_000_000)
    assert accel.config.channels == 3
    assert accel.config.rate == 50.0
    assert gyro.config.shape == (2, 3)
    assert pipeline.policy.size == 2_000_000_000
    assert pipeline.policy.deadline == 1_000_000_000
    assert pipeline.fusion_config.dim == 32
    assert pipeline.tasks["exercise"].task.size == 3
    assert pipeline.tasks["exercise"].target.field == "exercise"
    assert pipeline.sink_config.topic == "watch.predictions"
    assert pipeline.checkpoint == tmp_path / "watch.safetensors"
    assert pipeline.config.streams["gyro"].replicas.max == 4
    assert pipeline.config.observe.port == 9464
    fusion = pipeline.fusion_for(pipeline.modalities())
    assert fusion.features["accel"].dim == 3


def test_a_replaced_source_and_sink_need_not_be_installed(
    tmp_path: Path, pipeline_text: str, host: PluginHost
) -> None:
    path = tmp_path / "watch.yaml"
    path.write_text(pipeline_text)
    ends = ("source.plugin=nowhere", "sink.plugin=nowhere")
    with pytest.raises(ConfigError, match="there is no source 'nowhere'"):
        load_pipeline(path, overrides=ends, plugins=host)
    pipeline = load_pipeline(path, overrides=ends, plugins=host, replaced=("source", "sink"))
    assert (pipeline.source, pipeline.sink) == (None, None)


def test_a_mapping_is_taken_for_a_file(host: PluginHost) -> None:
    pipeline = load_pipeline(
        {
            "pipeline": "p",
            "streams": {"a": {"modality": "toys:toy-sensor", "config": {"channels": 1}}},
            "align": {"policy": "toy-window", "size": 5},
            "fusion": {"plugin": "toy-fusion"},
            "tasks": {"t": {"type": "toy-classification", "labels": ("x", "y")}},
            "checkpoint": Path("w.safetensors"),
        },
        plugins=host,
    )
    assert (pipeline.source, pipeline.sink, pipeline.config.observe) == (None, None, None)
    assert pipeline.checkpoint == Path("w.safetensors")
    assert pipeline.config.delivery == "at_least_once"
    assert pipeline.config.runtime.executor == "local"
    assert pipeline.tasks["t"].target is None


@pytest.mark.parametrize(
    ("old", "new", "path", "line", "message"),
    [
        (
            "max_delay: 5s\n",
            "max_dely: 5s\n",
            "streams.gyro.max_dely",
            7,
            "did you mean `max_delay`?",
        ),
        ("rate: 50}", "rat: 50}", "streams.accel.config.rat", 4, "did you mean `rate`?"),
        ("rate: 50}", "rate: '50'}", "streams.accel.config.rate", 4, "got '50'"),
        ("{channels: 3, shape", "{shape", "streams.gyro.config.channels", 8, "is required"),
        ("shape: [2, 3]", "shape: [2, x]", "streams.gyro.config.shape[1]", 8, "got 'x'"),
        ("max_delay: 5s\n", "max_delay: 5 parsecs\n", "streams.gyro.max_delay", 7, "is not a dur"),
        ("max_delay: 5s\n", "max_delay: -5s\n", "streams.gyro.max_delay", 7, "greater than or eq"),
        ("min: 1,", "min: 9,", "streams.gyro.replicas", 11, "min (9) is greater than max (4)"),
        ("min: 1,", "mim: 1,", "streams.gyro.replicas.mim", 11, "did you mean `min`?"),
        ("device: auto", "device: gpu", "streams.gyro.device", 13, "got 'gpu'"),
        ("hop: 1s", "hopp: 1s", "align.hopp", 14, "did you mean `hop`?"),
        ("require: any", "require: some", "align.require", 14, "got 'some'"),
        ("require: any", "require: [accel, gyros]", "align.require[1]", 14, "did you mean `gyro`?"),
        ("require: any", "primary: x", "align", 14, "primary names the stream 'x'"),
        ("dim: 32", "placment: inline", "fusion.placment", 15, "did you mean `placement`?"),
        ("dim: 32", "dim: 3.5", "fusion.dim", 15, "got 3.5"),
        ("stream: label", "stream: gyro", "tasks.exercise.target.stream", 20, "among its inputs"),
        ("[PEN, ABD, ROW]", "[PEN, PEN]", "tasks.exercise", 17, "a label is given twice"),
        ("labels:", "lables:", "tasks.exercise.lables", 19, "did you mean `labels`?"),
        ("port: 9464", "port: true", "observe.port", 25, "should be a valid integer, got True"),
        ("toy-window", "toy-windows", "align.policy", 14, "did you mean 'toy-window'?"),
        (
            "executor: local",
            "executor: ray",
            "runtime.executor",
            24,
            "'local' or 'serve', got 'ray'",
        ),
        ("  gyro:", "  present:", "streams.present", 5, "cannot have this name"),
        ("  gyro:", "  a.b:", "streams.a.b", 5, "should match pattern"),
        ("executor: local", "batch: 5", "runtime.batch", 24, "should be a mapping, got 5"),
        ("executor: local", "batch: {sise: 3}", "runtime.batch.sise", 24, "did you mean `size`?"),
    ],
)
def test_an_error_has_its_path_its_line_and_what_to_do(
    load: Load, old: str, new: str, path: str, line: int, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load((old, new))
    findings = {finding.path: finding for finding in caught.value.findings}
    assert path in findings, findings
    assert findings[path].line == line
    assert message in findings[path].message
    assert f"{path} (line {line}): " in str(caught.value)
    assert "watch.yaml" in str(caught.value)


def test_all_errors_are_reported_together_in_the_order_of_the_file(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            ("max_delay: 5s\n", "max_dely: 5s\n"),
            ("rate: 50}", "rat: 50}"),
            ("plugin: toy-fusion", "plugin: nothing"),
            ("labels:", "lables:"),
            ("size: 2s", "size: [2]"),
            ("topic: watch.predictions", "tropic: x"),
        )
    assert [finding.path for finding in caught.value.findings] == [
        "streams.accel.config.rat",
        "streams.gyro.max_dely",
        "align.size",
        "fusion.plugin",
        "tasks.exercise.labels",
        "tasks.exercise.lables",
        "sink.topic",
        "sink.tropic",
    ]
    assert "watch.yaml has 8 errors:\n  streams.accel.config.rat (line 4): " in str(caught.value)


def test_a_value_of_a_source_is_not_shown(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load(('url: "localhost:9092"', "url: u, port: hunter2, mode: hunter2"))
    assert "source.port" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_file_needs_a_stream_and_a_task(host: PluginHost) -> None:
    with pytest.raises(ConfigError) as caught:
        load_pipeline({"pipeline": "p", "streams": {}, "tasks": {}}, plugins=host)
    assert {finding.path for finding in caught.value.findings} == {
        "streams",
        "tasks",
        "align",
        "fusion",
    }
    assert "streams: needs at least one entry" in str(caught.value)


@pytest.mark.parametrize("text", ["- a\n", "5\n", "just text\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, host: PluginHost, text: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"p.yaml is not a mapping; see docs/pipeline.md"):
        load_pipeline(path, plugins=host)


@pytest.mark.parametrize("value", [object(), {"modality": 1}, [None], 3])
def test_odd_values_are_errors_and_never_a_crash(host: PluginHost, value: object) -> None:
    names = ("pipeline", "source", "streams", "align", "fusion", "tasks", "sink", "runtime")
    for name in names:
        with pytest.raises(ConfigError):
            load_pipeline({name: value}, plugins=host)
        with pytest.raises(ConfigError):
            load_pipeline({name: {"x": value, "plugin": value}}, plugins=host)


def test_overrides_change_the_file(load: Load) -> None:
    pipeline = load(
        overrides=(
            "streams.accel.config.rate=100",
            "runtime.batch.size=8",
            "tasks.exercise.labels.0=NO",
            "align.deadline=inf",
            "streams.gyro.replicas=3",
        )
    )
    assert pipeline.streams["accel"].config.rate == 100
    assert pipeline.streams["accel"].batch_size == 8
    assert pipeline.tasks["exercise"].task.config.labels[0] == "NO"
    assert pipeline.policy.deadline == float("inf")
    assert pipeline.config.streams["gyro"].replicas.min == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runtime", "--set runtime: write it as path=value"),
        ("a..b=1", "write it as path=value"),
        ("pipeline.x=1", "there is nothing inside of 'watch' to set 'x' in"),
        ("tasks.exercise.labels.7=x", "'7' is not an index below 3"),
        ("runtime.threads=[", "--set runtime.threads=[: line 1: not valid YAML"),
        ("runtime.thread=2", "runtime.thread (line 24): unknown key; did you mean `threads`?"),
    ],
)
def test_a_wrong_override_is_refused(load: Load, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(overrides=(text,))
    assert message in str(caught.value)


def test_what_is_encoded_per_set_cannot_be_eager(load: Load) -> None:
    with pytest.raises(
        ConfigError, match=r"streams\.accel\.encode.*: toy-sensor encodes all that a"
    ):
        load(overrides=("streams.accel.encode=eager",))
