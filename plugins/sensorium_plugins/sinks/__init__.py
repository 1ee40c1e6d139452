"""The sinks: JSON lines, and Apache Kafka."""

from sensorium_plugins.sinks._jsonl import JsonLinesSink, JsonLinesSinkConfig
from sensorium_plugins.sinks._kafka import KafkaSink, KafkaSinkConfig

__all__ = ["JsonLinesSink", "JsonLinesSinkConfig", "KafkaSink", "KafkaSinkConfig"]
