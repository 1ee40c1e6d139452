"""Cuts as a consumer group's offsets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from sensorium.plugin import Cut

__all__ = ["offsets_of"]


def offsets_of(cuts: Mapping[int, Cut]) -> dict[Any, Any]:
    """What is committed for the cuts of partition numbers."""
    return {
        TopicPartition(*place): OffsetAndMetadata(position.offset, cut.metadata(place), -1)
        for cut in cuts.values()
        for place, position in cut.positions.items()
    }
