"""Without torch, what needs it says how it is installed, and all else runs."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import sensorium_plugins
from sensorium.errors import MissingExtraError
from sensorium.host import PluginHost, load_pipeline

SENSOR = {"channels": 2, "rate": 50, "length": "1s"}
IMAGE = {"height": 16, "width": 16, "dim": 16}
MODALITIES: dict[str, dict[str, Any]] = {
    "text-tfidf": {"dim": 64},
    "text-embedding": {},
    "text-transformer": {},
    "sensor-stats": {"channels": 2, "rate": 50},
    "sensor-cnn": SENSOR,
    "sensor-gru": SENSOR,
    "image-cnn": IMAGE,
    "image-resnet": IMAGE,
    "image-vit": {**IMAGE, "patch": 4, "embedding": 32, "depth": 1},
    "video-frames": {"frames": 2, "cnn": IMAGE},
    "audio-mel": {"rate": 8000, "length": "1s", "dim": 16, "width": 16},
    "tabular": {"numbers": ["heat"]},
}
FUSIONS = ("adversarial", "concat", "gated", "late", "max", "mean", "transformer", "weighted")
WITHOUT = {"text-tfidf", "sensor-stats", "tabular", "concat", "max", "mean", "weighted"}
#: Their own tests have what they need instead: a runtime of ONNX models, and a server.
ELSEWHERE = {"text-sentence", "triton"}


@pytest.fixture
def host() -> PluginHost:
    return PluginHost(entry_points=(), modules=[sensorium_plugins])


def load(host: PluginHost, modality: str, config: dict[str, Any], fusion: str) -> None:
    pipeline = load_pipeline(
        {
            "pipeline": "without",
            "streams": {"it": {"modality": modality, "config": config}},
            "align": {"policy": "exact"},
            "fusion": {"plugin": fusion},
            "tasks": {"kind": {"type": "classification", "labels": ["a", "b"]}},
        },
        plugins=host,
    )
    modalities = pipeline.modalities()
    modalities["it"].load("cpu", None)
    pipeline.fusion_for(modalities).load("cpu", None)


@pytest.mark.parametrize("name", [*MODALITIES, *FUSIONS])
def test_it_runs_or_says_how_torch_is_installed(
    host: PluginHost, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if it were not installed: importing it is an ImportError then.
    monkeypatch.setitem(sys.modules, "torch", None)
    modality = name if name in MODALITIES else "text-tfidf"
    fusion = name if name in FUSIONS else "mean"
    if name in WITHOUT:
        load(host, modality, MODALITIES[modality], fusion)
        return
    with pytest.raises(MissingExtraError, match=r"pip install 'sensorium\[torch\]'") as refused:
        load(host, modality, MODALITIES[modality], fusion)
    assert name in str(refused.value)


def test_no_plugin_is_forgotten(host: PluginHost) -> None:
    modalities = {it.name for it in sensorium_plugins.sensorium_modalities()}
    fusions = {it.name for it in sensorium_plugins.sensorium_fusions()}
    assert modalities - ELSEWHERE == set(MODALITIES)
    assert fusions - ELSEWHERE == set(FUSIONS)
