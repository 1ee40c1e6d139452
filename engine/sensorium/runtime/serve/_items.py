"""Items that are prepared where the model is: on their way they are arrays, one row an item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.plugin import Arrays, Samples

__all__ = ["pack", "unpack"]


def pack(items: Sequence[Samples]) -> Arrays:
    """Items as arrays, whose first axis is the item, as those of `Modality.prepare`."""
    return {
        "times": _objects([item.times for item in items]),
        "durations": _objects([item.durations for item in items]),
        "values": _objects([list(item.values) for item in items]),
        "start": np.array([item.start for item in items], np.int64),
        "end": np.array([item.end for item in items], np.int64),
    }


def unpack(arrays: Arrays) -> list[Samples]:
    """The items that `pack` was given."""
    columns = (arrays[name] for name in ("times", "durations", "values"))
    spans = (arrays[name].tolist() for name in ("start", "end"))
    return [Samples(*item) for item in zip(*columns, *spans, strict=True)]


def _objects(values: Sequence[Any]) -> npt.NDArray[Any]:
    """One object a row; numpy would take equal lengths for another axis."""
    found = np.empty(len(values), object)
    for row, value in enumerate(values):
        found[row] = value
    return found
