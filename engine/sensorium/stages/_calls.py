"""How the rows of a micro-batch are spread over calls of a model.

A matrix product computes a row in ways that differ in the last bits with the number of rows and
with the row's place among them (the tiles of the kernel), but not with what the other rows hold.
So, to be bitwise reproducible, every call gets the same number of rows, and every row always sits
at the same place: its slot, which is derived from the identity of what it stands for. Rows that
meet in a slot go into different calls; places that stay empty are filled up with copies.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sensorium.stages._failure import bisect

__all__ = ["Call", "call_rows", "identity_hashes"]

T = TypeVar("T")


class Call:
    """The rows of one call.

    Parameters
    ----------
    rows
        Which rows of the micro-batch, intp, ascending.
    slots
        Where in the call each of them sits; None if they are all there is to it.
    size
        How many rows the call has.
    """

    def __init__(
        self, rows: npt.NDArray[np.intp], slots: npt.NDArray[np.intp] | None, size: int
    ) -> None:
        self.rows = rows
        self.size = size if slots is not None else len(rows)
        self._slots = slots
        self._gather: Any = rows
        if slots is not None:
            self._gather = np.full(size, rows[0])
            self._gather[slots] = rows
        elif rows[-1] - rows[0] == len(rows) - 1:
            self._gather = slice(int(rows[0]), int(rows[-1]) + 1)

    def give(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What the model gets of an array of the micro-batch."""
        given: npt.NDArray[Any] = array[self._gather]
        return given

    def take(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What of the model's answer belongs to `rows`."""
        return array if self._slots is None else array[self._slots]


def call_rows(
    call: Callable[[Call], T], total: int, size: int, hashes: npt.NDArray[np.uint32] | None
) -> Iterator[tuple[npt.NDArray[np.intp], T | Exception]]:
    """Call a model for all rows; of a call that fails, for each half, down to the culprit.

    Parameters
    ----------
    call
        Calls the model.
    total, size
        How many rows there are, and the most of one call.
    hashes
        Per row, what its slot is derived from; None if neither the number of rows nor their
        places matter.

    Yields
    ------
    (rows, result or exception)
        Covering all rows; an exception is of a single one, or an `UnavailableError` of a call's.
    """
    slots = None if hashes is None else (hashes % np.uint32(size)).astype(np.intp)
    for rows in _groups(total, size, slots):

        def part(
            start: int, stop: int, rows: npt.NDArray[np.intp] = rows
        ) -> tuple[npt.NDArray[np.intp], T]:
            some = rows[start:stop]
            return some, call(Call(some, None if slots is None else slots[some], size))

        for start, stop, outcome in bisect(part, 0, len(rows)):
            if isinstance(outcome, Exception):
                yield rows[start:stop], outcome
            else:
                yield outcome


def _groups(
    total: int, size: int, slots: npt.NDArray[np.intp] | None
) -> Iterable[npt.NDArray[np.intp]]:
    everything = np.arange(total)
    if slots is None:
        return [everything[first : first + size] for first in range(0, total, size)]
    groups: list[list[int]] = []
    met = [0] * size
    for row, slot in enumerate(slots.tolist()):
        if met[slot] == len(groups):
            groups.append([])
        groups[met[slot]].append(row)
        met[slot] += 1
    return [np.array(group, np.intp) for group in groups]


def identity_hashes(identities: Sequence[str]) -> npt.NDArray[np.uint32]:
    """A hash per identity, the same in every process."""
    return np.array([zlib.crc32(identity.encode()) for identity in identities], np.uint32)
