"""Arithmetic on the first axis: cutting and joining micro-batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.plugin import Features, FeatureSpec

__all__ = ["join_features", "place_features", "take_features"]


def take_features(features: Features, rows: Any) -> Features:
    """Some rows, as an index array, a bool array or a slice."""
    mask = features.mask
    return Features(features.data[rows], None if mask is None else mask[rows])


def join_features(parts: Sequence[Features], spec: FeatureSpec) -> Features:
    """Parts below one another; shorter sequences are filled with masked zeros."""
    if len(parts) == 1:
        return parts[0]
    total = sum(len(part.data) for part in parts)
    rows, start = [], 0
    for part in parts:
        rows.append(np.arange(start, start + len(part.data)))
        start += len(part.data)
    return place_features(total, rows, parts, spec)


def place_features(
    total: int, rows: Sequence[npt.NDArray[np.intp]], parts: Sequence[Features], spec: FeatureSpec
) -> Features:
    """Features of `total` rows: the parts at their rows, zeros elsewhere.

    A sequence is as long as the longest part, and at least one step.
    """
    dtype = np.dtype(spec.dtype)
    if spec.kind == "vector":
        data = np.zeros((total, spec.dim), dtype)
        for where, part in zip(rows, parts, strict=True):
            data[where] = part.data
        return Features(data)
    steps = max((part.data.shape[1] for part in parts), default=0) or 1
    data = np.zeros((total, steps, spec.dim), dtype)
    mask = np.zeros((total, steps), np.bool_)
    for where, part in zip(rows, parts, strict=True):
        if part.mask is not None:
            data[where, : part.data.shape[1]] = part.data
            mask[where, : part.data.shape[1]] = part.mask
    return Features(data, mask)
