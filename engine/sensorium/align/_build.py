"""Aligned sets from what matchers find."""

from __future__ import annotations

from collections.abc import Sequence

from sensorium.align._identity import SetIdentity
from sensorium.events import Absence, AlignedSet
from sensorium.plugin import Settled

__all__ = ["Builder", "in_order"]

_NONE: frozenset[str] = frozenset()


class Builder:
    """Gives the sets of one aligner their names, reasons and ids."""

    __slots__ = ("_identity", "_names")

    def __init__(self, names: Sequence[str], identity: SetIdentity) -> None:
        self._names = names
        self._identity = identity

    def build(self, key: str, settled: Settled) -> AlignedSet:
        """The set of a key."""
        members = {}
        absent = {}
        for index, name in enumerate(self._names):
            entries = settled.members.get(index)
            if entries:
                members[name] = tuple([entry.event for entry in entries])
            elif index in settled.unsettled:
                absent[name] = Absence.TIMEOUT
            else:
                absent[name] = Absence.PROVEN
        unsettled = _NONE
        if settled.unsettled:
            unsettled = frozenset([self._names[index] for index in settled.unsettled])
        return AlignedSet(
            key,
            settled.time,
            members,
            absent,
            unsettled,
            settled.revision,
            self._identity.of(key, settled.anchor, settled.revision),
            settled.start,
            settled.end,
        )


def in_order(settled: list[AlignedSet]) -> list[AlignedSet]:
    """Sort the sets that settle in one call by (time, key, revision)."""
    if len(settled) > 1:
        settled.sort(key=_order)
    return settled


def _order(one: AlignedSet) -> tuple[int, str, int]:
    return (one.time, one.key, one.revision)
