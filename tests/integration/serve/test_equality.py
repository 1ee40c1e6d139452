"""The same recording through `local` and `serve`, for every pipeline that is deployed."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import assert_alike, read_predictions

from sensorium.host import Pipeline, PluginHost, load_pipeline, write_checkpoint
from sensorium.plugin import Payload, Record, Samples, Trainable
from sensorium.runtime import run_pipeline
from sensorium.wire import Envelope, RecordingWriter, write_envelope

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[3]
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
SHIPPED = ROOT / "engine" / "sensorium" / "demo" / "data"


def reading(random: np.random.Generator) -> Payload:
    return Payload(random.normal(size=(25, 3)).astype(np.float32))


def text(random: np.random.Generator) -> Payload:
    words = ["all", "is", "quiet", "help", "the", "pump", "is", "on", "fire", "rain"]
    return Payload(" ".join(random.choice(words, size=random.integers(2, 12))))


def picture(random: np.random.Generator) -> Payload:
    image = pytest.importorskip("PIL.Image", reason="needs pip install 'sensorium[image]'")
    out = io.BytesIO()
    image.fromarray(random.integers(0, 255, (32, 32, 3)).astype(np.uint8)).save(out, format="PNG")
    return Payload(out.getvalue())


def sound(random: np.random.Generator) -> Payload:
    soundfile = pytest.importorskip("soundfile", reason="needs pip install 'sensorium[audio]'")
    out = io.BytesIO()
    soundfile.write(out, 0.1 * random.normal(size=16000), 16000, format="FLAC")
    return Payload(out.getvalue(), "audio/flac")


WATCH = {"accel": reading, "gyro": reading}
MEDIA = {"chat": text, "camera": picture, "microphone": sound}
PIPELINES = {"watch": WATCH, "watch-cnn": WATCH, "text-image-audio": MEDIA, "digits": MEDIA}
#: Those that need no torch.
PLAIN = ("watch",)


def record(path: Path, pipeline: Pipeline, makes: dict[str, Callable[..., Payload]]) -> Path:
    """Streams of some keys, with gaps, payloads that are not understood, and late ones."""
    random, records = np.random.default_rng(3), []
    for key in range(4):
        for stream, make in makes.items():
            topic = pipeline.streams[stream].topic
            for number in range(24 if makes is WATCH else 5):
                time = START + key * SECOND // 7 + number * SECOND // 2
                payload = make(random)
                if random.random() < 0.15:
                    continue
                if (key, number) == (1, 3):
                    payload = Payload([["not", "understood"]])
                delay = SECOND // 2 if random.random() < 0.9 else 20 * SECOND
                records.append((time + delay, topic, Envelope(stream, f"k{key}", time, payload)))
    with RecordingWriter(path) as writer:
        for offset, (arrived, topic, it) in enumerate(sorted(records, key=lambda row: row[:2])):
            writer.write(Record(topic, 0, offset, write_envelope(it), arrived=arrived))
    return path


def fresh_weights(path: Path, pipeline: Pipeline) -> Path:
    """The weights of untrained networks, and of statistics of one text."""
    modalities = pipeline.modalities()
    plugins: dict[str, Any] = {f"streams.{name}.": it for name, it in modalities.items()}
    plugins["fusion."] = pipeline.fusion_for(modalities)
    instant = np.zeros(1, np.int64)
    words = Samples(instant, instant, ["all is quiet"], 0, 1)
    weights = {}
    for prefix, plugin in plugins.items():
        if isinstance(plugin, Trainable):
            plugin.load("cpu", None)
            own = {name: it.numpy() for name, it in plugin.module().state_dict().items()}
        else:
            own = plugin.fit(plugin.prepare([words]))
        weights.update({prefix + name: it for name, it in own.items()})
    write_checkpoint(path, weights, {})
    return path


def test_no_pipeline_is_forgotten() -> None:
    assert {path.stem for path in (ROOT / "deploy" / "pipelines").glob("*.yaml")} == set(PIPELINES)


@pytest.mark.parametrize(
    "name",
    [it if it in PLAIN else pytest.param(it, marks=pytest.mark.torch) for it in PIPELINES],
)
def test_both_executors_give_the_same(
    ray_here: object, host: PluginHost, tmp_path: Path, name: str
) -> None:
    if name not in PLAIN:
        pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")
    file = ROOT / "deploy" / "pipelines" / f"{name}.yaml"
    shipped = SHIPPED / f"{name}.safetensors"
    if not shipped.exists():
        shipped = fresh_weights(tmp_path / "fresh.safetensors", load_pipeline(file, plugins=host))
    # One model in a deployment and another inline, so that both placements are in each run.
    placed = [f"streams.{[*PIPELINES[name]][1]}.placement=replica", "fusion.placement=replica"]
    given = [f"checkpoint={shipped}", "observe=null", *placed]
    pipeline = load_pipeline(file, overrides=given, plugins=host)
    # When events are encoded makes no difference either.
    eager = [name for name, part in pipeline.streams.items() if part.modality.per == "event"]
    at_once = [f"streams.{stream}.encode=eager" for stream in eager]
    pipelines = {
        "local": pipeline,
        "serve": load_pipeline(file, overrides=[*given, *at_once], plugins=host),
    }
    recording = record(tmp_path / "it.mcap", pipeline, PIPELINES[name])
    summaries = {}
    for executor, chosen in pipelines.items():
        summaries[executor] = run_pipeline(
            chosen,
            host,
            data=recording,
            sink=str(tmp_path / executor),
            executor=executor,
        )
    local, served = (read_predictions(tmp_path / it) for it in ("local", "serve"))
    assert len(local) >= 12
    assert_alike(local, served)
    for field in ("records", "events", "sets", "predictions", "dead_letters", "fates", "absences"):
        assert getattr(summaries["serve"], field) == getattr(summaries["local"], field)
    assert summaries["local"].dead_letters >= 1
    assert list(summaries["serve"].ahead) == eager


def test_items_are_prepared_where_the_plugin_says(
    ray_here: object,
    host: PluginHost,
    adding: Callable[..., Pipeline],
    numbers: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """In the replica, for `prepared-there`; and an item that cannot be, as it would be here."""
    pipeline = adding("streams.a.modality=prepared-there", poison=7)
    recording = numbers(range(40))
    for executor in ("local", "serve"):
        summary = run_pipeline(
            pipeline, host, data=recording, sink=str(tmp_path / executor), executor=executor
        )
        assert summary.dead_letters == 2
        assert summary.absences == {"a": {"failed": 1}, "b": {"failed": 1}}
    local, served = (read_predictions(tmp_path / it) for it in ("local", "serve"))
    assert_alike(local, served)
    sums = [it["tasks"]["sum"]["values"][0] for it in served]
    # Both streams failed at the poison: the fusion has nothing but its bias.
    assert sums == [2.0 * number if number != 7 else 0.0 for number in range(40)]


def test_an_answer_may_be_larger_than_grpc_takes(
    ray_here: object,
    adding: Callable[..., Pipeline],
    numbers: Callable[..., Path],
    host: PluginHost,
    tmp_path: Path,
) -> None:
    """Eight rows are 6.4 MB, gRPC takes 4, and what is sent says nothing of what comes back."""
    recording, out = numbers(range(40)), tmp_path / "out"
    pipeline = adding("streams.a.modality=wide")
    summary = run_pipeline(pipeline, host, data=recording, sink=str(out), executor="serve")
    assert summary.dead_letters == 0
    assert [it["tasks"]["sum"]["values"][0] for it in read_predictions(out)] == [
        2.0 * number for number in range(40)
    ]
