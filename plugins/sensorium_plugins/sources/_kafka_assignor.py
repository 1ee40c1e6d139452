"""Which member of a consumer group reads which partition numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from kafka.protocol.consumer.metadata import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
)

__all__ = ["NumberAssignor", "share_out"]


def share_out(numbers: Sequence[int], owned: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Share partition numbers out evenly, and move as few as that allows.

    Parameters
    ----------
    numbers
        All of them.
    owned
        Per member, those that it has had so far.

    Returns
    -------
    dict
        Per member, its own; the counts differ by 1 at most.
    """
    left = set(numbers)
    kept: dict[str, list[int]] = {}
    for member in sorted(owned):
        kept[member] = sorted(left & set(owned[member]))
        left -= set(kept[member])
    least, more = divmod(len(numbers), len(owned))
    # Who has most may have one more than the others.
    order = sorted(owned, key=lambda member: (-len(kept[member]), member))
    room = {member: least + (at < more) for at, member in enumerate(order)}
    for member in order:
        left.update(kept[member][room[member] :])
        del kept[member][room[member] :]
    free = sorted(left)
    for member in order:
        count = room[member] - len(kept[member])
        kept[member] = sorted(kept[member] + free[:count])
        del free[:count]
    return kept


class NumberAssignor(AbstractPartitionAssignor):  # type: ignore[misc,unused-ignore]
    """Gives equal partition numbers of all topics to one member, and each its own again.

    Every member says in the join what it has had.
    """

    name = "sensorium-numbers"
    version = 0

    def __init__(self) -> None:
        self._owned: list[int] = []

    def assign(self, cluster: Any, members: Any) -> dict[str, Any]:
        """Share out the partition numbers that every topic has."""
        topics = sorted({topic for member in members for topic in member.metadata.topics})
        counts = [len(cluster.partitions_for_topic(topic) or ()) for topic in topics]
        owned = {member.member_id: _read(member.metadata.user_data) for member in members}
        shares = share_out(range(min(counts, default=0)), owned)
        return {
            member: ConsumerProtocolAssignment(
                self.version, [(topic, share) for topic in topics if share], b""
            )
            for member, share in shares.items()
        }

    def metadata(self, topics: Any) -> Any:
        """What this member says when it joins."""
        said = json.dumps(self._owned).encode()
        return ConsumerProtocolSubscription(self.version, sorted(topics), said)

    def on_assignment(self, assignment: Any, generation: int) -> None:
        """Remember what this member has."""
        self._owned = sorted({place.partition for place in assignment.partitions()})


def _read(said: bytes | None) -> list[int]:
    try:
        found = json.loads(said or b"[]")
    except ValueError:
        return []
    return [it for it in found if isinstance(it, int)] if isinstance(found, list) else []
