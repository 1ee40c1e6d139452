"""Fusion by the mean of projections: every stream into one space, then a linear head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sensorium.plugin import Features, PluginConfig, TaskOutput
from sensorium_plugins.fusions._heads import (
    centred,
    head_shapes,
    output,
    shares,
)
from sensorium_plugins.fusions._inputs import presence, vectors
from sensorium_plugins.fusions._numpy_fusion import NumpyFusion

if TYPE_CHECKING:
    import torch

__all__ = ["Mean", "MeanConfig"]


class MeanConfig(PluginConfig):
    """The size of the common space.

    Parameters
    ----------
    dim
        The length of the projections.
    dropout
        The share of the mean's activations that training drops.
    """

    dim: int = Field(default=64, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)


class Mean(NumpyFusion):
    """A learned projection per stream, the mean over those that are present, a linear head.

    The contributions are exact: with a linear head, the outputs are a sum with one part for each
    stream, and a stream counts by the size of its part. It trains with torch, and runs in numpy.
    """

    name: ClassVar[str] = "mean"
    Config: ClassVar[type[PluginConfig]] = MeanConfig
    config: MeanConfig

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The names and shapes of the weights."""
        shapes: dict[str, tuple[int, ...]] = {}
        for name, spec in self.features.items():
            shapes |= {
                f"stream_{name}.location": (spec.dim,),
                f"stream_{name}.variance": (spec.dim,),
            }
            shapes[f"stream_{name}.count"] = ()
            shapes[f"project_{name}.weight"] = (self.config.dim, spec.dim)
            shapes[f"project_{name}.bias"] = (self.config.dim,)
        for name, task in self.tasks.items():
            shapes |= head_shapes(f"task_{name}", task, [self.config.dim])
        return shapes

    def fuse(
        self, present: Mapping[str, npt.NDArray[np.bool_]], **features: Features
    ) -> Mapping[str, TaskOutput]:
        """Fuse a micro-batch; where nothing is present, the learned prior."""
        there = presence(self.features, present)
        projected = []
        blocks = self._standardised({n: vectors(f) for n, f in features.items()}, there)
        for column, (name, inputs) in enumerate(zip(self.features, blocks, strict=True)):
            weight, bias = (self._weights[f"project_{name}.{part}"] for part in ("weight", "bias"))
            projected.append(np.maximum(inputs @ weight.T + bias, 0) * there[:, [column]])
        count = np.maximum(there.sum(axis=1, keepdims=True), 1)
        mean = (np.sum(projected, axis=0) / count).astype(np.float32)
        outputs = {}
        for name, task in self.tasks.items():
            head = self._heads[name]
            parts = [vector @ head.layers[0][0].T for vector in projected]
            sizes = np.stack([np.abs(centred(task, part)).sum(axis=1) for part in parts], axis=1)
            outputs[name] = output(task, head(mean, there), shares(sizes, there))
        return outputs

    def build(self) -> torch.nn.Module:
        """The same model in torch, not yet with its weights."""
        from sensorium_plugins.fusions._modules import MeanModule

        return MeanModule(self.features, self.tasks, self.config.dim, self.config.dropout)
