"""The built-in modalities: how readings, records, text, images and sound become features."""

from sensorium_plugins.modalities._audio_mel import AudioMel, AudioMelConfig
from sensorium_plugins.modalities._image_cnn import ImageCnn, ImageCnnConfig
from sensorium_plugins.modalities._image_resnet import ImageResnet, ImageResnetConfig
from sensorium_plugins.modalities._image_vit import ImageVit, ImageVitConfig
from sensorium_plugins.modalities._sensor_cnn import SensorCnn, SensorCnnConfig
from sensorium_plugins.modalities._sensor_gru import SensorGru, SensorGruConfig
from sensorium_plugins.modalities._sensor_stats import SensorStats, SensorStatsConfig
from sensorium_plugins.modalities._tabular import Tabular, TabularConfig
from sensorium_plugins.modalities._text_embedding import TextEmbedding, TextEmbeddingConfig
from sensorium_plugins.modalities._text_sentence import TextSentence, TextSentenceConfig
from sensorium_plugins.modalities._text_tfidf import TextTfidf, TextTfidfConfig
from sensorium_plugins.modalities._text_transformer import TextTransformer, TextTransformerConfig
from sensorium_plugins.modalities._triton import Triton, TritonModalityConfig
from sensorium_plugins.modalities._video_frames import VideoFrames, VideoFramesConfig

__all__ = [
    "AudioMel",
    "AudioMelConfig",
    "ImageCnn",
    "ImageCnnConfig",
    "ImageResnet",
    "ImageResnetConfig",
    "ImageVit",
    "ImageVitConfig",
    "SensorCnn",
    "SensorCnnConfig",
    "SensorGru",
    "SensorGruConfig",
    "SensorStats",
    "SensorStatsConfig",
    "Tabular",
    "TabularConfig",
    "TextEmbedding",
    "TextEmbeddingConfig",
    "TextSentence",
    "TextSentenceConfig",
    "TextTfidf",
    "TextTfidfConfig",
    "TextTransformer",
    "TextTransformerConfig",
    "Triton",
    "TritonModalityConfig",
    "VideoFrames",
    "VideoFramesConfig",
]
