"""Every modality of the catalogue: `fit` on a small recording."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sensorium_plugins
from sensorium.demo._damage import Damage
from sensorium.demo._digits import sessions
from sensorium.demo._digits_scene import DigitsScene
from sensorium.host import PluginHost, check_pipeline, load_pipeline
from sensorium.plugin import Payload, Record
from sensorium.train import fit
from sensorium.wire import CONTENT_TYPE, Envelope, RecordingWriter, write_envelope

SECOND = 1_000_000_000
DEPLOYED = Path(__file__).parents[3] / "deploy" / "pipelines"
Make = Callable[[int, np.random.Generator], Payload]


def text(kind: int, random: np.random.Generator) -> Payload:
    said = ["all is quiet here", "help, the pump is on fire", "rain again, and wind"][kind]
    return Payload(f"{said} {'so it goes ' * int(random.integers(1, 4))}")


def readings(kind: int, random: np.random.Generator) -> Payload:
    times = np.arange(50) / 50
    wave = np.sin(2 * np.pi * (2 + 6 * kind) * times)[:, None]
    return Payload((wave + 0.1 * random.normal(size=(50, 2))).astype(np.float32))


def picture(kind: int, random: np.random.Generator) -> Payload:
    pixels = random.integers(0, 40, (20, 24, 3)).astype(np.uint8)
    pixels[4 + 4 * kind : 8 + 4 * kind, :, kind] += 200
    return Payload(encoded_picture(pixels))


def encoded_picture(pixels: np.ndarray, form: str = "PNG") -> bytes:
    image = pytest.importorskip("PIL.Image", reason="needs pip install 'sensorium[image]'")
    out = io.BytesIO()
    image.fromarray(pixels).save(out, format=form)
    return out.getvalue()


def sound(kind: int, random: np.random.Generator, form: str = "FLAC", rate: int = 8000) -> Payload:
    soundfile = pytest.importorskip("soundfile", reason="needs pip install 'sensorium[audio]'")
    times = np.arange(rate) / rate
    wave = 0.5 * np.sin(2 * np.pi * 400 * (1 + kind) * times) + 0.01 * random.normal(size=rate)
    out = io.BytesIO()
    soundfile.write(out, wave, rate, format=form)
    return Payload(out.getvalue(), f"audio/{form.lower()}")


def record(kind: int, random: np.random.Generator) -> Payload:
    heat = None if random.random() < 0.1 else 36.5 + kind + 0.2 * random.normal()
    return Payload({"heat": heat, "ward": "ab"[min(kind, 1)], "note": "not looked at"})


def film(kind: int, random: np.random.Generator) -> Payload:
    return Payload([picture(kind, random).data for _ in range(3)])


SENSOR = {"channels": 2, "rate": 50, "length": "1s"}
IMAGE = {"height": 16, "width": 16, "dim": 16}
AUDIO = {"rate": 8000, "length": "1s", "dim": 16, "width": 16}
RECORD = {"numbers": ["heat"], "categories": {"ward": ["a", "b"]}}
CATALOGUE: list[tuple[str, dict[str, Any], Make]] = [
    ("text-sentence", {}, text),
    ("text-tfidf", {"dim": 64}, text),
    ("text-tfidf", {"dim": 64, "weighting": "counts"}, text),
    ("text-tfidf", {"dim": 64, "weighting": "binary"}, text),
    ("text-embedding", {"max_tokens": 24}, text),
    ("text-embedding", {"max_tokens": 24, "reader": "lstm"}, text),
    ("text-embedding", {"max_tokens": 24, "reader": "mean"}, text),
    ("text-embedding", {"max_tokens": 24, "output": "sequence"}, text),
    ("text-transformer", {"max_tokens": 24}, text),
    ("text-transformer", {"max_tokens": 24, "output": "sequence"}, text),
    ("sensor-stats", {"channels": 2, "rate": 50}, readings),
    ("sensor-cnn", SENSOR, readings),
    ("sensor-gru", SENSOR, readings),
    ("sensor-gru", {**SENSOR, "reader": "lstm", "output": "sequence"}, readings),
    ("image-cnn", IMAGE, picture),
    ("image-resnet", IMAGE, picture),
    ("image-vit", {**IMAGE, "patch": 4, "embedding": 32, "depth": 1}, picture),
    (
        "video-frames",
        {"frames": 2, "cnn": {**IMAGE, "layers": [8, 16]}, "output": "sequence"},
        film,
    ),
    ("audio-mel", AUDIO, sound),
    ("audio-mel", {**AUDIO, "spectrum": "mfcc", "reader": "gru"}, sound),
    ("audio-mel", {**AUDIO, "reader": "lstm", "output": "sequence"}, sound),
    ("tabular", RECORD, record),
]
OPTIONS = ("weighting", "reader", "output")
IDS = [
    "-".join([name, *(str(config[key]) for key in OPTIONS if key in config)])
    for name, config, _ in CATALOGUE
]
every = pytest.mark.parametrize(("name", "config", "make"), CATALOGUE, ids=IDS)


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost(entry_points=(), modules=[sensorium_plugins])


@pytest.fixture
def write(tmp_path):
    """Write a recording: per key, sets of one event a stream and what kind they are."""

    def run(makes: dict[str, Make], keys: int = 10, sets: int = 5):
        random, rows = np.random.default_rng(0), []
        for key in range(keys):
            for at in range(sets):
                time, kind = at * 10 * SECOND, (key + at) % 3
                values = {name: make(kind, random) for name, make in makes.items()}
                values["truth"] = Payload({"kind": "abc"[kind], "level": 10.0 * kind})
                rows += [
                    (time, name, Envelope(name, str(key), time, payload))
                    for name, payload in values.items()
                ]
        path = tmp_path / "data.mcap"
        with RecordingWriter(path) as recording:
            for offset, (time, name, envelope) in enumerate(sorted(rows, key=lambda row: row[0])):
                headers = {"content-type": CONTENT_TYPE.encode()}
                data = write_envelope(envelope)
                recording.write(Record(name, 0, offset, data, headers=headers, arrived=time), time)
        return path

    return run


def pipeline(host, streams, fusion):
    return load_pipeline(
        {
            "pipeline": "catalogue",
            "streams": streams,
            "align": {"policy": "exact", "require": "any"},
            "fusion": fusion,
            "tasks": {
                "kind": {
                    "type": "classification",
                    "labels": ["a", "b", "c"],
                    "target": {"stream": "truth", "field": "kind"},
                },
                "level": {
                    "type": "regression",
                    "scale": 10.0,
                    "weight": 0.3,
                    "target": {"stream": "truth", "field": "level"},
                },
            },
        },
        plugins=host,
    )


@every
@pytest.mark.torch
def test_it_trains_from_a_recording_to_a_checkpoint(host, write, tmp_path, name, config, make):
    pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")
    stream = {"modality": name, "topic": "only", "config": config}
    built = pipeline(host, {"only": stream}, {"plugin": "mean", "dim": 16})
    report = fit(
        built,
        host,
        [write({"only": make})],
        tmp_path / "out.safetensors",
        epochs=14,
        learning_rate=0.01,
        modality_dropout=0.0,
        progress=False,
    )
    # A third would be by chance.
    assert report.metrics["kind"]["all streams"].metrics["accuracy"] > 0.6


@pytest.mark.parametrize(
    "fusion", ["concat", "gated", "late", "max", "mean", "transformer", "weighted"]
)
@pytest.mark.torch
def test_text_images_and_sound_train_together_with_every_fusion(host, write, tmp_path, fusion):
    pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")
    streams = {
        "chat": {
            "modality": "text-embedding",
            "config": {"max_tokens": 16, "dim": 16, "output": "sequence"},
        },
        "camera": {"modality": "image-cnn", "config": IMAGE},
        "microphone": {"modality": "audio-mel", "config": AUDIO},
    }
    built = pipeline(
        host,
        {name: {"topic": name, **stream} for name, stream in streams.items()},
        {"plugin": fusion},
    )
    report = fit(
        built,
        host,
        [write({"chat": text, "camera": picture, "microphone": sound})],
        tmp_path / "out.safetensors",
        epochs=14,
        learning_rate=0.01,
        progress=False,
    )
    assert report.metrics["kind"]["all streams"].metrics["accuracy"] > 0.6
    assert {"chat alone", "camera alone", "microphone alone"} <= set(report.metrics["kind"])


@pytest.mark.torch
@pytest.mark.timeout(300)
def test_the_textbook_pipeline_learns_both_tasks(host, tmp_path):
    pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")
    pytest.importorskip("espeakng_loader", reason="needs pip install 'sensorium[digits]'")
    built = load_pipeline(
        DEPLOYED / "text-image-audio.yaml", overrides=["checkpoint=null"], plugins=host
    )
    assert not [item for item in check_pipeline(built) if item.level == "error"]
    data = tmp_path / "digits.mcap"
    DigitsScene(list(sessions(48, 20, 0, held_out=False)), 0).record(data, Damage())
    report = fit(
        built,
        host,
        [data],
        tmp_path / "out.safetensors",
        epochs=10,
        learning_rate=0.003,
        progress=False,
    )
    digit, louder = (report.metrics[name] for name in ("digit", "louder"))
    assert digit["all streams"].metrics["accuracy"] > 0.85
    # Only the sound tells how much louder than the noise the word is.
    assert louder["all streams"].metrics["r2"] > 0.3
    assert louder["microphone alone"].metrics["r2"] > 0.3
    assert louder["camera alone"].metrics["r2"] < 0.1
