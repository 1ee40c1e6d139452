"""The live models of a pipeline, with their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sensorium.errors import ConfigError
from sensorium.host import Checkpoint, Pipeline, read_checkpoint
from sensorium.plugin import Fittable, Fusion, FusionFittable, Modality, Trainable, Weights
from sensorium.runtime._device import resolve_device

__all__ = [
    "Models",
    "load_fusion",
    "load_modality",
    "load_models",
    "open_checkpoint",
    "require_weights",
]


@dataclass(frozen=True, slots=True)
class Models:
    """Loaded plugins.

    Parameters
    ----------
    modalities
        Per stream.
    fusion
        The fusion.
    digest
        The identity of the weights; empty where none are needed.
    """

    modalities: Mapping[str, Modality]
    fusion: Fusion
    digest: str = ""


def load_models(pipeline: Pipeline) -> Models:
    """Load every model of a pipeline with the weights of its checkpoint.

    Raises
    ------
    ConfigError
        If a plugin has to be trained and there are no weights for it.
    """
    checkpoint = open_checkpoint(pipeline)
    modalities = pipeline.modalities()
    for name, modality in modalities.items():
        load_modality(pipeline, name, modality, checkpoint)
    fusion = pipeline.fusion_for(modalities)
    load_fusion(pipeline, fusion, checkpoint)
    return Models(modalities, fusion, checkpoint.digest if checkpoint else "")


def open_checkpoint(pipeline: Pipeline) -> Checkpoint | None:
    """The weights of a pipeline, if it names any."""
    return None if pipeline.checkpoint is None else read_checkpoint(pipeline.checkpoint)


def load_modality(
    pipeline: Pipeline, stream: str, modality: Modality, checkpoint: Checkpoint | None
) -> None:
    """Load the model of one stream on its device; see `load_models`."""
    weights = _weights(checkpoint, f"streams.{stream}.", modality, pipeline)
    modality.load(resolve_device(pipeline.streams[stream].device, type(modality)), weights)


def load_fusion(pipeline: Pipeline, fusion: Fusion, checkpoint: Checkpoint | None) -> None:
    """Load the fusion on its device; see `load_models`."""
    weights = _weights(checkpoint, "fusion.", fusion, pipeline)
    fusion.load(resolve_device(pipeline.fusion_device, type(fusion)), weights)


def require_weights(pipeline: Pipeline) -> str:
    """Refuse a pipeline whose models lack weights, without loading any; give the digest.

    Raises
    ------
    ConfigError
        As of `load_models`.
    """
    checkpoint = open_checkpoint(pipeline)
    modalities = pipeline.modalities()
    for name, modality in modalities.items():
        _weights(checkpoint, f"streams.{name}.", modality, pipeline)
    _weights(checkpoint, "fusion.", pipeline.fusion_for(modalities), pipeline)
    return checkpoint.digest if checkpoint else ""


def _weights(
    checkpoint: Checkpoint | None, prefix: str, plugin: Modality | Fusion, pipeline: Pipeline
) -> Weights | None:
    weights = checkpoint.part(prefix) if checkpoint is not None else {}
    if weights:
        return weights
    if isinstance(plugin, Trainable | Fittable | FusionFittable):
        lack = "there is no checkpoint" if checkpoint is None else f"it has no weights {prefix}*"
        raise ConfigError(
            f"{plugin.name} has to be trained, and {lack}: run "
            f"`sensorium fit PIPELINE --data RECORDING -o {pipeline.name}.safetensors` and set "
            f"`checkpoint: {pipeline.name}.safetensors`",
            path="checkpoint",
        )
    return None
