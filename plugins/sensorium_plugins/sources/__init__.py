"""The sources that need nothing but files: recordings and JSON lines."""

from sensorium_plugins.sources._jsonl import JsonLinesConfig, JsonLinesSource
from sensorium_plugins.sources._mcap import McapConfig, McapSource

__all__ = ["JsonLinesConfig", "JsonLinesSource", "McapConfig", "McapSource"]
