"""Cuts as a consumer group's offsets, and who may commit them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from sensorium.plugin import Cut

__all__ = ["is_nobody", "offsets_of"]


def offsets_of(cuts: Mapping[int, Cut]) -> dict[Any, Any]:
    """What is committed for the cuts of partition numbers."""
    return {
        TopicPartition(*place): OffsetAndMetadata(position.offset, cut.metadata(place), -1)
        for cut in cuts.values()
        for place, position in cut.positions.items()
    }


def is_nobody(membership: Any) -> bool:
    """Whether a consumer's group metadata name no member.

    They do where it was expelled from its group, as after it had been stopped for too long, and has
    learnt so from a heartbeat; others have its partitions by then. In a transaction brokers take
    offsets from nobody, for the sake of clients from before KIP-447, and fence only those who say
    who they are.
    """
    return getattr(membership, "generation_id", 0) < 0
