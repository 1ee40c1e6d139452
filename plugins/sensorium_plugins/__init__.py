"""The built-in plugins, registered through the same entry-point group as anybody's."""

from __future__ import annotations

from collections.abc import Sequence

from sensorium.align import Approximate, Exact, Nearest, Window
from sensorium.hookspecs import hookimpl
from sensorium.plugin import Fusion, Modality, Policy, Sink, Source, Task
from sensorium_plugins.fusions import (
    Adversarial,
    Concat,
    Gated,
    Late,
    Max,
    Mean,
    Transformer,
    Weighted,
)
from sensorium_plugins.fusions import Triton as TritonFusion
from sensorium_plugins.modalities import (
    AudioMel,
    ImageCnn,
    ImageResnet,
    ImageVit,
    SensorCnn,
    SensorGru,
    SensorStats,
    Tabular,
    TextEmbedding,
    TextSentence,
    TextTfidf,
    TextTransformer,
    VideoFrames,
)
from sensorium_plugins.modalities import Triton as TritonModality
from sensorium_plugins.sinks import JsonLinesSink, KafkaSink
from sensorium_plugins.sources import JsonLinesSource, KafkaSource, McapSource
from sensorium_plugins.tasks import Classification, MultiLabel, Regression

__all__ = [
    "sensorium_fusions",
    "sensorium_modalities",
    "sensorium_policies",
    "sensorium_sinks",
    "sensorium_sources",
    "sensorium_tasks",
]


@hookimpl
def sensorium_modalities() -> Sequence[type[Modality]]:
    """Give the built-in modalities."""
    return [
        AudioMel,
        ImageCnn,
        ImageResnet,
        ImageVit,
        SensorCnn,
        SensorGru,
        SensorStats,
        Tabular,
        TextEmbedding,
        TextSentence,
        TextTfidf,
        TextTransformer,
        TritonModality,
        VideoFrames,
    ]


@hookimpl
def sensorium_fusions() -> Sequence[type[Fusion]]:
    """Give the built-in fusions."""
    return [Adversarial, Concat, Gated, Late, Max, Mean, Transformer, TritonFusion, Weighted]


@hookimpl
def sensorium_tasks() -> Sequence[type[Task]]:
    """Give the built-in tasks."""
    return [Classification, MultiLabel, Regression]


@hookimpl
def sensorium_policies() -> Sequence[type[Policy]]:
    """Give the built-in alignment policies."""
    return [Exact, Nearest, Approximate, Window]


@hookimpl
def sensorium_sources() -> Sequence[type[Source]]:
    """Give the built-in sources."""
    return [JsonLinesSource, KafkaSource, McapSource]


@hookimpl
def sensorium_sinks() -> Sequence[type[Sink]]:
    """Give the built-in sinks."""
    return [JsonLinesSink, KafkaSink]
