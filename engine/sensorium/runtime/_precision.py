"""In which numbers a model computes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from sensorium.errors import ConfigError
from sensorium.host import Pipeline
from sensorium.runtime._device import resolve_device

__all__ = ["fusion_precision", "stream_precision"]

Around = Callable[[], AbstractContextManager[Any]]


def stream_precision(pipeline: Pipeline, stream: str) -> Around:
    """What every call of a stream's model is made in.

    Raises
    ------
    ConfigError
        If the model does not run in torch.
    """
    part = pipeline.streams[stream]
    wanted = pipeline.config.streams[stream].precision
    return _autocast(part.modality, part.device, wanted, f"streams.{stream}.precision")


def fusion_precision(pipeline: Pipeline) -> Around:
    """What every call of the fusion is made in; see `stream_precision`."""
    wanted = pipeline.config.fusion.precision
    return _autocast(pipeline.fusion, pipeline.fusion_device, wanted, "fusion.precision")


def _autocast(plugin: type[Any], device: str, precision: str, path: str) -> Around:
    if precision == "float32":
        return nullcontext
    if "torch" not in getattr(plugin, "requires", ()):
        raise ConfigError(
            f"{plugin.name} does not run in torch, and computes in float32: leave it out", path=path
        )
    import torch

    kind = resolve_device(device, plugin).partition(":")[0]
    # The plugin loads its weights as they are: torch casts what is safe to, call by call.
    return lambda: torch.autocast(kind, dtype=getattr(torch, precision))
