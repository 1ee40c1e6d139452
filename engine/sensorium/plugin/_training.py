"""What a plugin offers so that `sensorium fit` can train it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from sensorium.plugin._modality import Arrays, Features, Weights

if TYPE_CHECKING:
    import torch

__all__ = ["Fittable", "FusionFittable", "Progress", "Trainable"]

#: Called with (steps done, steps in all, a short word on how it goes).
Progress: TypeAlias = Callable[[int, int, str], None]


@runtime_checkable
class Trainable(Protocol):
    """A modality or fusion that trains end to end by gradient.

    The module of a modality takes the arrays of `Modality.prepare` as keyword tensors and returns
    features, (batch, dim) or a pair (data, mask). The module of a fusion takes
    ``present: dict[str, Tensor]`` (bool, (batch,)) and ``features: dict[str, Tensor]`` (and
    ``masks: dict[str, Tensor]`` for sequences) and returns ``dict[task, logits]``. Parameters and
    buffers of the module's ``state_dict`` are the plugin's `Weights`.
    """

    def module(self) -> torch.nn.Module:
        """The live module, after `load`."""
        ...


@runtime_checkable
class Fittable(Protocol):
    """A modality that learns statistics from its arrays before anything else is trained."""

    def fit(self, arrays: Arrays) -> Weights:
        """Learn from prepared items of the training split; the caller loads what is returned."""
        ...


@runtime_checkable
class FusionFittable(Protocol):
    """A fusion that trains by itself on fixed features, without torch."""

    def fit(
        self,
        present: Mapping[str, npt.NDArray[np.bool_]],
        features: Mapping[str, Features],
        targets: Mapping[str, npt.NDArray[Any]],
        *,
        seed: int,
        progress: Progress,
    ) -> Weights:
        """Train on the training split.

        Parameters
        ----------
        present, features
            As for `Fusion.fuse`, over all items of the split (modality dropout already applied).
        targets
            Per task, rows of `Task.target`, NaN rows where an item has no target.
        seed
            What makes the training reproducible.
        progress
            To be called now and then.
        """
        ...
