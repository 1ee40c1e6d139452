"""The built-in fusions: how the features of several streams become one output per task."""

from sensorium_plugins.fusions._concat import Concat, ConcatConfig
from sensorium_plugins.fusions._gated import Gated, GatedConfig
from sensorium_plugins.fusions._mean import Mean, MeanConfig

__all__ = ["Concat", "ConcatConfig", "Gated", "GatedConfig", "Mean", "MeanConfig"]
