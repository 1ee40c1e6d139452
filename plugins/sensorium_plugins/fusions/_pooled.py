"""What `mean`, `max` and `weighted` share: streams in one space, pooled, and a linear head."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sensorium.plugin import Features, PluginConfig, TaskOutput
from sensorium_plugins.fusions._heads import centred, head_shapes, output, shares
from sensorium_plugins.fusions._inputs import Floats, presence, vectors
from sensorium_plugins.fusions._numpy_fusion import NumpyFusion

if TYPE_CHECKING:
    import torch

__all__ = ["PooledConfig", "PooledFusion"]


class PooledConfig(PluginConfig):
    """The size of the common space.

    Parameters
    ----------
    dim
        The length of the projections.
    dropout
        The share of the pooled activations that training drops.
    """

    dim: int = Field(default=64, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)


class PooledFusion(NumpyFusion):
    """A learned projection per stream, pooled over those that are present, a linear head.

    The contributions are exact: with a linear head, the outputs are a sum with one part for each
    stream, and a stream counts by the size of its part. It trains with torch, and runs in numpy.
    """

    config: PooledConfig

    @abstractmethod
    def parts(self, projected: Floats, there: npt.NDArray[np.bool_]) -> Floats:
        """Each stream's part of the pooled vector.

        Parameters
        ----------
        projected
            Not negative, shape (batch, streams, dim); zeros where absent.
        there
            bool of shape (batch, streams).

        Returns
        -------
        array of shape (batch, streams, dim)
            Their sum over the streams is what enters the heads.
        """

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
        blocks = self._standardised({n: vectors(f) for n, f in features.items()}, there)
        projected = []
        for column, (name, inputs) in enumerate(zip(self.features, blocks, strict=True)):
            weight, bias = (self._weights[f"project_{name}.{part}"] for part in ("weight", "bias"))
            projected.append(np.maximum(inputs @ weight.T + bias, 0) * there[:, [column]])
        parts = self.parts(np.stack(projected, axis=1).astype(np.float32), there)
        pooled = parts.sum(axis=1)
        outputs = {}
        for name, task in self.tasks.items():
            head = self._heads[name]
            moved = centred(task, parts @ head.layers[0][0].T)
            sizes = np.abs(moved).sum(axis=2)
            outputs[name] = output(task, head(pooled, there), shares(sizes, there))
        return outputs

    def build(self) -> torch.nn.Module:
        """The same model in torch, not yet with its weights."""
        from sensorium_plugins.fusions._pooled_modules import POOLED

        module = POOLED[self.name]
        return module(self.features, self.tasks, self.config.dim, self.config.dropout)
