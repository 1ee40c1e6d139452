"""The built-in modalities: how sensor readings, records, text, images and sound become features."""

from sensorium_plugins.modalities._sensor_cnn import SensorCnn, SensorCnnConfig
from sensorium_plugins.modalities._sensor_gru import SensorGru, SensorGruConfig
from sensorium_plugins.modalities._sensor_stats import SensorStats, SensorStatsConfig
from sensorium_plugins.modalities._text_embedding import TextEmbedding, TextEmbeddingConfig
from sensorium_plugins.modalities._text_tfidf import TextTfidf, TextTfidfConfig
from sensorium_plugins.modalities._text_transformer import TextTransformer, TextTransformerConfig

__all__ = [
    "SensorCnn",
    "SensorCnnConfig",
    "SensorGru",
    "SensorGruConfig",
    "SensorStats",
    "SensorStatsConfig",
    "TextEmbedding",
    "TextEmbeddingConfig",
    "TextTfidf",
    "TextTfidfConfig",
    "TextTransformer",
    "TextTransformerConfig",
]
