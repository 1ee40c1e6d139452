"""Fusion by the mean of projections: every stream into one space, then a linear head."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from sensorium.plugin import PluginConfig
from sensorium_plugins.fusions._inputs import Floats
from sensorium_plugins.fusions._pooled import PooledConfig, PooledFusion

__all__ = ["Mean", "MeanConfig"]


class MeanConfig(PooledConfig):
    """The size of the common space."""


class Mean(PooledFusion):
    """A learned projection per stream, the mean over those that are present, a linear head.

    The contributions are exact: with a linear head, the outputs are a sum with one part for each
    stream, and a stream counts by the size of its part. It trains with torch, and runs in numpy.
    """

    name: ClassVar[str] = "mean"
    Config: ClassVar[type[PluginConfig]] = MeanConfig

    def parts(self, projected: Floats, there: npt.NDArray[np.bool_]) -> Floats:
        """Each stream's projection over the number of streams present."""
        count = np.maximum(there.sum(axis=1), 1).astype(np.float32)
        divided: Floats = projected / count[:, None, None]
        return divided
