"""What enters a fusion: features as standardised vectors, with what is absent as zeros."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from sensorium.plugin import Features, FeatureSpec, Weights

__all__ = ["CUT", "LEAST_VARIANCE", "Floats", "Standardised", "presence", "vectors"]

Floats: TypeAlias = npt.NDArray[np.float32]

#: Standardised features are cut there, so that an outlier in one cannot outvote all others.
CUT: Final = 10.0

#: A feature that varied less in training is constant, and only centred.
LEAST_VARIANCE: Final = 1e-12


def vectors(features: Features) -> Floats:
    """Features as vectors: those of a sequence are averaged over the steps that are there.

    Returns
    -------
    array of shape (batch, dim)
        float32; zeros for a sequence without steps.
    """
    data = np.asarray(features.data, dtype=np.float32)
    if data.ndim == 2:
        return data
    if features.mask is None:
        mean: Floats = data.mean(axis=1)
        return mean
    mask = features.mask[..., np.newaxis]
    steps = np.maximum(mask.sum(axis=1), 1)
    averaged: Floats = (np.where(mask, data, 0).sum(axis=1) / steps).astype(np.float32)
    return averaged


def presence(
    streams: Mapping[str, FeatureSpec], present: Mapping[str, npt.NDArray[np.bool_]]
) -> npt.NDArray[np.bool_]:
    """Presence of every stream, shape (batch, streams), in the order of the pipeline file."""
    return np.stack([np.asarray(present[name], dtype=np.bool_) for name in streams], axis=1)


@dataclass(frozen=True, slots=True)
class Standardised:
    """Centres and scales the features of one stream by what they were in training.

    Parameters
    ----------
    location, scale
        float32 of shape (dim,).
    """

    location: Floats
    scale: Floats

    @classmethod
    def of(cls, weights: Weights, prefix: str) -> Standardised:
        """Read it from the weights ``<prefix>.location`` and ``<prefix>.variance``."""
        variance = np.asarray(weights[f"{prefix}.variance"], dtype=np.float32)
        scale = np.sqrt(np.where(variance > LEAST_VARIANCE, variance, np.float32(1)))
        return cls(np.asarray(weights[f"{prefix}.location"], dtype=np.float32), scale)

    @staticmethod
    def learn(rows: npt.NDArray[Any], prefix: str) -> dict[str, npt.NDArray[Any]]:
        """The weights for features of shape (rows, dim); those of no row leave things as they are.

        ``<prefix>.count`` is how many rows they rest on.
        """
        exact = np.asarray(rows, dtype=np.float64)
        location = exact.mean(axis=0) if len(exact) else np.zeros(exact.shape[1])
        variance = exact.var(axis=0) if len(exact) else np.ones(exact.shape[1])
        return {
            f"{prefix}.location": location.astype(np.float32),
            f"{prefix}.variance": variance.astype(np.float32),
            f"{prefix}.count": np.array(len(exact), dtype=np.float32),
        }

    def __call__(self, data: Floats, present: npt.NDArray[np.bool_]) -> Floats:
        """Standardise (batch, dim); rows that are not `present` become zeros."""
        centred = np.clip((data - self.location) / self.scale, -CUT, CUT)
        return np.where(present[:, np.newaxis], centred, np.float32(0)).astype(np.float32)
