"""All sets through `prepare`, once, for what is learnt from prepared arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.events import AlignedSet
from sensorium.plugin import Arrays, Modality, Samples
from sensorium.stages import StreamEncoder, samples_of, samples_of_event

__all__ = ["CHUNK", "Prepared", "prepare_stream", "take_items"]

#: How many items a plugin is given at a time.
CHUNK = 256


@dataclass(frozen=True, slots=True)
class Prepared:
    """One stream of many sets, as arrays.

    Parameters
    ----------
    sets
        How many sets there are.
    arrays
        What `Modality.prepare` gave, first axis the item.
    owners, items
        int, shape (links,): item ``items[i]`` belongs to set ``owners[i]``, ascending by set. Of a
        modality ``per = "set"`` each item has one owner; an event may be in several sets.
    failed
        The sets whose events could not be prepared: the stream is absent from them.
    """

    sets: int
    arrays: Arrays
    owners: npt.NDArray[np.intp]
    items: npt.NDArray[np.intp]
    failed: frozenset[int] = frozenset()

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Per set, whether the stream is there; shape (sets,)."""
        there = np.zeros(self.sets, dtype=bool)
        there[self.owners] = True
        return there

    def of(self, sets: npt.NDArray[np.intp]) -> dict[str, npt.NDArray[Any]]:
        """The arrays of the items that belong to chosen sets, given by their numbers."""
        return take_items(self.arrays, np.unique(self.items[np.isin(self.owners, sets)]))


def take_items(arrays: Arrays, items: npt.NDArray[np.intp]) -> dict[str, npt.NDArray[Any]]:
    """Some of the rows of arrays."""
    return {name: array[items] for name, array in arrays.items()}


def prepare_stream(modality: Modality, sets: Sequence[AlignedSet], stream: str) -> Prepared:
    """Prepare everything that one stream has in these sets.

    Events that the modality cannot prepare make the stream absent from their sets, as in serving.
    """
    owners, items, samples = _links(modality, sets, stream)
    done = StreamEncoder(modality, CHUNK).prepare(samples)
    bad = {failure.row for failure in done.failures}
    kept = [row for row in range(len(samples)) if row not in bad]
    arrays = _join([part for _, part in done.parts])
    if arrays is None:
        # Its shapes depend on what else is in the call: all in one, then.
        arrays = dict(modality.prepare([samples[row] for row in kept]))
    position = {row: i for i, row in enumerate(kept)}
    failed = frozenset(owner for owner, item in zip(owners, items, strict=True) if item in bad)
    links = [
        (owner, position[item])
        for owner, item in zip(owners, items, strict=True)
        if owner not in failed
    ]
    return Prepared(
        sets=len(sets),
        arrays=arrays,
        owners=np.array([owner for owner, _ in links], dtype=np.intp),
        items=np.array([item for _, item in links], dtype=np.intp),
        failed=failed,
    )


def _links(
    modality: Modality, sets: Sequence[AlignedSet], stream: str
) -> tuple[list[int], list[int], list[Samples]]:
    """The set and the item of every link, and the items."""
    if modality.per == "set":
        rows, samples = samples_of(sets, stream)
        return rows, list(range(len(samples))), samples
    owners: list[int] = []
    items: list[int] = []
    events: list[Samples] = []
    known: dict[tuple[str, str, int], int] = {}
    for owner, aligned in enumerate(sets):
        for event in aligned.members.get(stream, ()):
            identity = (event.key, event.id, event.time)
            if identity not in known:
                known[identity] = len(events)
                events.append(samples_of_event(event))
            owners.append(owner)
            items.append(known[identity])
    return owners, items, events


def _join(parts: Sequence[Arrays]) -> dict[str, npt.NDArray[Any]] | None:
    """Parts below one another; None if their shapes differ."""
    if not parts:
        return {}
    for name in parts[0]:
        if len({(part[name].shape[1:], part[name].dtype) for part in parts}) > 1:
            return None
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
