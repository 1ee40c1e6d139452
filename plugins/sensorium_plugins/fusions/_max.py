"""Fusion by the maximum of projections: in every place the strongest stream speaks."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from sensorium.plugin import PluginConfig
from sensorium_plugins.fusions._inputs import Floats
from sensorium_plugins.fusions._pooled import PooledConfig, PooledFusion

__all__ = ["Max", "MaxConfig"]


class MaxConfig(PooledConfig):
    """The size of the common space."""


class Max(PooledFusion):
    """A learned projection per stream, the maximum over those that are present, a linear head.

    Each place of the maximum belongs to the stream that gave it (the first of equals), so the
    contributions are exact. It trains with torch, and runs in numpy.
    """

    name: ClassVar[str] = "max"
    Config: ClassVar[type[PluginConfig]] = MaxConfig

    def parts(self, projected: Floats, there: npt.NDArray[np.bool_]) -> Floats:
        """Each stream's projection where it is the greatest, and 0 elsewhere."""
        greatest = np.where(there[:, :, None], projected, -1).argmax(axis=1)
        own = greatest[:, None, :] == np.arange(projected.shape[1])[:, None]
        kept: Floats = np.where(own & there[:, :, None], projected, np.float32(0))
        return kept
