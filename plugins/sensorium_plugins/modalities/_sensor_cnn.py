"""Sensor readings encoded by a small convolutional network."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from sensorium.plugin import FeatureSpec, PluginConfig
from sensorium_plugins.modalities._sensor_grid import GridConfig, GridModality

if TYPE_CHECKING:
    import torch

__all__ = ["SensorCnn", "SensorCnnConfig"]


class SensorCnnConfig(GridConfig):
    """The sensor, the grid and the size of the network.

    Parameters
    ----------
    dim
        The length of the feature.
    width
        The channels of the first convolution.
    dropout
        The share of activations that training drops.
    """

    dim: int = Field(default=64, ge=1)
    width: int = Field(default=32, ge=4, multiple_of=4)
    dropout: float = Field(default=0.3, ge=0, lt=1)


class SensorCnn(GridModality):
    """A small 1-D convolutional network over a fixed grid of samples.

    The grid begins with the set's span, or, where that is an instant, with the first sample.
    What is missing is zero after standardisation, and a mask tells it from a reading.
    """

    name: ClassVar[str] = "sensor-cnn"
    Config: ClassVar[type[PluginConfig]] = SensorCnnConfig
    config: SensorCnnConfig

    @property
    def feature(self) -> FeatureSpec:
        """A vector of `dim` numbers."""
        return FeatureSpec(dim=self.config.dim)

    def build(self) -> torch.nn.Module:
        """A fresh network."""
        from sensorium_plugins.modalities._sensor_cnn_module import SensorCnnModule

        config = self.config
        return SensorCnnModule(config.channels, config.width, config.dim, config.dropout)
