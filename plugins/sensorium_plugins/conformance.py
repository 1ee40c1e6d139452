"""The built-in plugins and the conformance kit: what ``sensorium plugins test`` tries them with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from sensorium.align import Approximate, Exact, Nearest, Window
from sensorium.plugin import Payload, Record
from sensorium.testing.conformance import (
    FusionConformance,
    ModalityConformance,
    PolicyConformance,
    SinkConformance,
    SourceConformance,
    TaskConformance,
)
from sensorium.wire import CONTENT_TYPE, Envelope, RecordingWriter, write_envelope
from sensorium_plugins import fusions, modalities, sinks, sources, tasks

_SECOND: Final = 1_000_000_000
_RANDOM: Final = np.random.default_rng(0)
_TEXTS: Final = ("all is quiet here", "help, the pump is on fire", "rain again, and wind", "so")
_READINGS: Final = tuple(_RANDOM.normal(size=(50, 2)).astype(np.float32) for _ in range(4))
_PICTURES: Final = tuple(_RANDOM.integers(0, 256, (20, 24, 3)).astype(np.uint8) for _ in range(3))
_CLIPS: Final = tuple(_RANDOM.integers(0, 256, (3, 20, 24, 3)).astype(np.uint8) for _ in range(3))
_SOUNDS: Final = tuple(
    (0.5 * np.sin(np.arange(8000) * step) + 0.01 * _RANDOM.normal(size=8000)).astype(np.float32)
    for step in (0.3, 0.6, 0.9)
)
_SENSOR: Final = {"channels": 2, "rate": 50.0, "length": "1s"}
_PICTURE: Final = {"height": 16, "width": 16, "dim": 16}
_SOUND: Final = {"rate": 8000, "length": "1s", "dim": 16, "width": 16}


class TestTextTfidf(ModalityConformance):
    """Term frequencies."""

    plugin = modalities.TextTfidf
    config = {"dim": 64}
    payloads = _TEXTS


class TestTextTfidfCounts(TestTextTfidf):
    """Counts instead of frequencies."""

    config = {"dim": 64, "weighting": "counts"}


class TestTextTfidfBinary(TestTextTfidf):
    """Which words there are."""

    config = {"dim": 64, "weighting": "binary"}


class TestTextEmbedding(ModalityConformance):
    """Read by a GRU."""

    plugin = modalities.TextEmbedding
    config = {"max_tokens": 24}
    payloads = _TEXTS


class TestTextEmbeddingLstm(TestTextEmbedding):
    """Read by an LSTM, as a sequence."""

    config = {"max_tokens": 24, "reader": "lstm", "output": "sequence"}


class TestTextEmbeddingMean(TestTextEmbedding):
    """The mean of the words."""

    config = {"max_tokens": 24, "reader": "mean"}


class TestTextTransformer(ModalityConformance):
    """Read by attention."""

    plugin = modalities.TextTransformer
    config = {"max_tokens": 24}
    payloads = _TEXTS


class TestTextTransformerSequence(TestTextTransformer):
    """As a sequence."""

    config = {"max_tokens": 24, "output": "sequence"}


class TestSensorStats(ModalityConformance):
    """Statistics of the readings."""

    plugin = modalities.SensorStats
    config = {"channels": 2, "rate": 50.0}
    payloads = _READINGS


class TestSensorCnn(ModalityConformance):
    """Read by convolutions."""

    plugin = modalities.SensorCnn
    config = _SENSOR
    payloads = _READINGS


class TestSensorGru(ModalityConformance):
    """Read by a GRU."""

    plugin = modalities.SensorGru
    config = _SENSOR
    payloads = _READINGS


class TestSensorGruLstm(TestSensorGru):
    """Read by an LSTM, as a sequence."""

    config = {**_SENSOR, "reader": "lstm", "output": "sequence"}


class TestImageCnn(ModalityConformance):
    """Pictures, through a few convolutions."""

    plugin = modalities.ImageCnn
    config = _PICTURE
    payloads = _PICTURES


class TestImageResnet(ModalityConformance):
    """Pictures, through residual blocks."""

    plugin = modalities.ImageResnet
    config = _PICTURE
    payloads = _PICTURES


class TestImageVit(ModalityConformance):
    """Pictures, through attention over patches."""

    plugin = modalities.ImageVit
    config = {**_PICTURE, "patch": 4, "embedding": 32, "depth": 1}
    payloads = _PICTURES


class TestVideoFrames(ModalityConformance):
    """Frames of clips, through a few convolutions."""

    plugin = modalities.VideoFrames
    config = {"frames": 2, "cnn": {**_PICTURE, "layers": [8, 16]}}
    payloads = _CLIPS


class TestAudioMel(ModalityConformance):
    """Mel spectra, through convolutions."""

    plugin = modalities.AudioMel
    config = _SOUND
    payloads = _SOUNDS


class TestAudioMelMfcc(TestAudioMel):
    """Cepstral coefficients, read by a GRU."""

    config = {**_SOUND, "spectrum": "mfcc", "reader": "gru"}


class TestAudioMelLstm(TestAudioMel):
    """Read by an LSTM, as a sequence."""

    config = {**_SOUND, "reader": "lstm", "output": "sequence"}


class TestTabular(ModalityConformance):
    """Records with a number that may be missing and a category."""

    plugin = modalities.Tabular
    config = {"numbers": ["heat"], "categories": {"ward": ["a", "b"]}}
    payloads = (
        {"heat": 36.5, "ward": "a", "note": "not looked at"},
        {"heat": None, "ward": "b"},
        {"heat": 39.0, "ward": "a"},
    )


class TestConcat(FusionConformance):
    """Features side by side."""

    plugin = fusions.Concat


class TestGated(FusionConformance):
    """Gates between streams."""

    plugin = fusions.Gated


class TestLate(FusionConformance):
    """A decision per stream."""

    plugin = fusions.Late


class TestMax(FusionConformance):
    """The greatest of every feature."""

    plugin = fusions.Max


class TestMean(FusionConformance):
    """The mean of every feature."""

    plugin = fusions.Mean


class TestTransformer(FusionConformance):
    """Attention over streams."""

    plugin = fusions.Transformer


class TestAdversarial(FusionConformance):
    """Representations that do not tell which streams there are."""

    plugin = fusions.Adversarial


class TestWeighted(FusionConformance):
    """A weight per stream."""

    plugin = fusions.Weighted


class TestClassification(TaskConformance):
    """One label of three."""

    plugin = tasks.Classification
    config = {"labels": ["a", "b", "c"]}
    targets = ("a", "c")


class TestMultiLabel(TaskConformance):
    """Any of two labels."""

    plugin = tasks.MultiLabel
    config = {"labels": ["x", "y"]}
    targets = (["x"], ["x", "y"], [])


class TestRegression(TaskConformance):
    """Two numbers with names."""

    plugin = tasks.Regression
    config = {"names": ["heat", "height"]}
    targets = ([1.0, 2.0], {"heat": -1, "height": 0.5})


class TestExact(PolicyConformance):
    """Whole sets only."""

    plugin = Exact


class TestExactDeadline(TestExact):
    """Sets with what had come by the deadline."""

    config = {"require": "any", "deadline": "1s"}


class TestNearest(PolicyConformance):
    """The nearest of either side."""

    plugin = Nearest
    config = {"primary": "left", "before": "1s", "after": "500ms", "require": "any"}


class TestNearestDeadline(TestNearest):
    """The last by the deadline."""

    config = {"primary": "left", "after": "1s", "pick": "last", "require": [], "deadline": "2s"}


class TestApproximate(PolicyConformance):
    """Sets of least spread."""

    plugin = Approximate
    config = {"max_interval": "800ms"}


class TestWindow(PolicyConformance):
    """Windows that overlap."""

    plugin = Window
    config = {"size": "2s", "hop": "1s", "require": "any", "deadline": "1s"}


class TestSession(PolicyConformance):
    """Sessions between gaps."""

    plugin = Window
    config = {"gap": "600ms", "max_length": "8s", "require": "any"}


def _line(number: int) -> dict[str, Any]:
    time = number * _SECOND
    return {"stream": "left", "key": "one", "time": time, "arrived": time + 5, "data": number}


class TestJsonLinesSource(SourceConformance):
    """A file of lines."""

    plugin = sources.JsonLinesSource
    records = 20

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        """A file with a blank line in the middle."""
        path = folder / "data.jsonl"
        lines = [json.dumps(_line(number)) for number in range(20)]
        path.write_text("\n".join([*lines[:7], "", *lines[7:], ""]))
        return {"path": str(path)}


class TestMcapSource(SourceConformance):
    """A recording with two partitions."""

    plugin = sources.McapSource
    topics = ("left",)
    records = 20

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        """Records of two partitions, in turn."""
        path = folder / "data.mcap"
        headers = {"content-type": CONTENT_TYPE.encode()}
        with RecordingWriter(path) as recording:
            for number in range(20):
                time = number * _SECOND
                data = write_envelope(Envelope("left", "one", time, Payload(number)))
                record = Record(
                    "left", number % 2, number // 2, data, headers=headers, arrived=time
                )
                recording.write(record, time)
        return {"path": str(path)}


class TestJsonLinesSink(SinkConformance):
    """Two files of lines."""

    plugin = sinks.JsonLinesSink

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        """A file for predictions and one for dead letters."""
        return {
            "path": str(folder / "predictions.jsonl"),
            "dead_letters": str(folder / "dead-letters.jsonl"),
        }

    @classmethod
    def written(cls, folder: Path) -> Sequence[str]:
        """The ids in the file."""
        path = folder / "predictions.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line)["id"] for line in lines]
