"""Which partition of a topic a key belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, Final

__all__ = ["key_partitioner"]

#: How many keys are remembered with their hash.
_KEYS: Final = 16_384


@cache
def key_partitioner() -> Any:
    """The default partitioner of kafka-python, which hashes as Java's client does, but each key
    once: in Python the hash of a key costs as much as putting its message into a batch.

    Returns
    -------
    kafka.partitioner.Partitioner
        One for all producers.
    """
    from kafka.partitioner import DefaultPartitioner
    from kafka.partitioner.default import murmur2

    hash_of = lru_cache(_KEYS)(murmur2)

    class KeyPartitioner(DefaultPartitioner):  # type: ignore[misc]
        def partition(
            self,
            topic: str,
            key: Any,
            serialized_key: bytes | None,
            value: Any,
            serialized_value: Any,
            cluster: Any,
        ) -> int:
            numbers = cluster.partitions_for_topic(topic)
            if serialized_key is None or not numbers:
                chosen: int = super().partition(
                    topic, key, serialized_key, value, serialized_value, cluster
                )
                return chosen
            return self.number_of(serialized_key, sorted(numbers))

        def number_of(self, serialized_key: bytes, ordered: Sequence[int]) -> int:
            """The partition of a key, of all that the topic has, in order."""
            return ordered[int(hash_of(serialized_key) & 0x7FFFFFFF) % len(ordered)]

    return KeyPartitioner()
