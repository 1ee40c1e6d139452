"""The live plugins of a pipeline, with given weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy.typing as npt

from sensorium.host import Pipeline
from sensorium.plugin import Fusion, Modality, Weights
from sensorium.train._optional import optional

__all__ = [
    "FUSION_PREFIX",
    "device_for",
    "load_plugins",
    "stream_prefix",
    "training_device",
    "weights_under",
]

FUSION_PREFIX: Final = "fusion."


def stream_prefix(name: str) -> str:
    """What the names of a stream's weights begin with."""
    return f"streams.{name}."


def weights_under(weights: Mapping[str, npt.NDArray[Any]], prefix: str) -> Weights | None:
    """The weights under a prefix, without it; None if there are none."""
    found = {
        name.removeprefix(prefix): array
        for name, array in weights.items()
        if name.startswith(prefix)
    }
    return found or None


def device_for(wanted: str, plugin: Modality | Fusion) -> str:
    """The device of one plugin: ``auto`` is a GPU where there is one and the plugin can use it."""
    if wanted != "auto":
        return wanted
    if "torch" not in getattr(plugin, "requires", ()):
        return "cpu"
    return training_device("auto", f"plugin {plugin.name!r}")


def training_device(wanted: str, needed_by: str = "training by gradient") -> str:
    """The device of modules; ``auto`` is a GPU where there is one."""
    if wanted != "auto":
        return wanted
    torch: Any = optional("torch", needed_by)
    return "cuda" if torch.cuda.is_available() else "cpu"


def load_plugins(
    pipeline: Pipeline, weights: Mapping[str, npt.NDArray[Any]], device: str = "auto"
) -> tuple[dict[str, Modality], Fusion]:
    """Make the modalities and the fusion of a pipeline and load them.

    Parameters
    ----------
    pipeline
        The pipeline.
    weights
        Arrays under the prefixes ``streams.<name>.`` and ``fusion.``.
    device
        Where they run; ``auto`` leaves it to the pipeline file.
    """
    modalities = pipeline.modalities()
    for name, modality in modalities.items():
        part = weights_under(weights, stream_prefix(name))
        own = pipeline.streams[name].device if device == "auto" else device
        modality.load(device_for(own, modality), part)
    fusion = pipeline.fusion_for(modalities)
    own = pipeline.fusion_device if device == "auto" else device
    fusion.load(device_for(own, fusion), weights_under(weights, FUSION_PREFIX))
    return modalities, fusion
