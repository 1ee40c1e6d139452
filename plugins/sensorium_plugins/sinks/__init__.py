"""The sinks that need nothing but files: JSON lines."""

from sensorium_plugins.sinks._jsonl import JsonLinesSink, JsonLinesSinkConfig

__all__ = ["JsonLinesSink", "JsonLinesSinkConfig"]
