"""The sources: recordings, JSON lines, and Apache Kafka."""

from sensorium_plugins.sources._jsonl import JsonLinesConfig, JsonLinesSource
from sensorium_plugins.sources._kafka import KafkaSource
from sensorium_plugins.sources._kafka_config import KafkaSourceConfig
from sensorium_plugins.sources._mcap import McapConfig, McapSource

__all__ = [
    "JsonLinesConfig",
    "JsonLinesSource",
    "KafkaSource",
    "KafkaSourceConfig",
    "McapConfig",
    "McapSource",
]
