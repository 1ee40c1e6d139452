"""Sensor readings read sample by sample by a recurrent network."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from sensorium.plugin import FeatureSpec, PluginConfig
from sensorium_plugins.modalities._sensor_grid import GridConfig, GridModality
from sensorium_plugins.modalities._sequence_config import SequenceConfig

if TYPE_CHECKING:
    import torch

__all__ = ["SensorGru", "SensorGruConfig"]


class SensorGruConfig(GridConfig, SequenceConfig):
    """The sensor, the grid and the network.

    Parameters
    ----------
    reader
        ``gru`` or ``lstm``.
    """

    reader: Literal["gru", "lstm"] = "gru"


class SensorGru(GridModality):
    """A GRU, or an LSTM, over a fixed grid of samples; a mask tells it what is missing."""

    name: ClassVar[str] = "sensor-gru"
    Config: ClassVar[type[PluginConfig]] = SensorGruConfig
    config: SensorGruConfig

    @property
    def feature(self) -> FeatureSpec:
        """A vector of `dim` numbers, or one for every place of the grid."""
        return self.config.feature

    def build(self) -> torch.nn.Module:
        """A fresh network."""
        from sensorium_plugins.modalities._sequence_module import SignalModule

        return SignalModule(self.config.channels, self.config.reader, self.config)
