"""The built-in modalities: how sensor readings and text become features."""

from sensorium_plugins.modalities._sensor_cnn import SensorCnn, SensorCnnConfig
from sensorium_plugins.modalities._sensor_stats import SensorStats, SensorStatsConfig
from sensorium_plugins.modalities._text_tfidf import TextTfidf, TextTfidfConfig

__all__ = [
    "SensorCnn",
    "SensorCnnConfig",
    "SensorStats",
    "SensorStatsConfig",
    "TextTfidf",
    "TextTfidfConfig",
]
