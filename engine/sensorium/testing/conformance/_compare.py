"""When two answers count as the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from sensorium.plugin import Features, Weights

__all__ = ["close", "read_only", "round_trip", "row_of", "same"]


def close(one: Features, other: Features) -> bool:
    """Whether features agree to 1e-5."""
    return one.data.shape == other.data.shape and np.allclose(
        one.data, other.data, rtol=1e-5, atol=1e-5
    )


def same(one: Any, other: Any) -> bool:
    """Whether values are equal to the bit, arrays and containers of them included."""
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(
            one, other, equal_nan=np.issubdtype(one.dtype, np.inexact)
        )
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def row_of(features: Features, row: int) -> Features:
    """One row, of a sequence only the steps that are there."""
    data = features.data[row]
    return Features(data if features.mask is None else data[features.mask[row]])


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy that cannot be written to."""
    copied = array.copy()
    copied.setflags(write=False)
    return copied


def round_trip(weights: Weights) -> Weights:
    """Weights as they come out of a safetensors file."""
    # Not ascontiguousarray, which gives a number an axis.
    loaded: Weights = load(save({name: np.array(it, order="C") for name, it in weights.items()}))
    return loaded
