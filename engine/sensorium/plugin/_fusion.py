"""A fusion: how the features of several streams become one output per task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sensorium.plugin._modality import Features, FeatureSpec, Weights
from sensorium.plugin._plugin import API_VERSION, PluginConfig
from sensorium.plugin._task import Task

__all__ = ["Fusion", "TaskOutput"]


@dataclass(frozen=True, slots=True)
class TaskOutput:
    """The output of one task for a micro-batch.

    Parameters
    ----------
    scores
        Of a classification or multi-label task: probabilities, shape (batch, labels).
    values
        Of a regression: shape (batch, values). Exactly one of the two is given.
    contribution
        How much each stream counted, shape (batch, streams) in the order of the pipeline file;
        0 for an absent stream, rows summing to 1. None where the fusion cannot tell.
    """

    scores: npt.NDArray[Any] | None = None
    values: npt.NDArray[Any] | None = None
    contribution: npt.NDArray[Any] | None = None


class Fusion(ABC):
    """Joins the features of several streams, any of which may be absent, into task outputs.

    Parameters
    ----------
    config
        The pipeline's ``fusion`` without ``plugin``, as a `Config`.
    features
        Per stream, in the order of the pipeline file, what its modality gives.
    tasks
        The tasks, in the order of the pipeline file.
    """

    name: ClassVar[str]
    """The name in the pipeline file, as ``gated``."""
    api: ClassVar[int] = API_VERSION
    """The plugin API that the class was written for."""
    Config: ClassVar[type[PluginConfig]] = PluginConfig
    """The model of the configuration; strict."""

    def __init__(
        self, config: Any, features: Mapping[str, FeatureSpec], tasks: Mapping[str, Task]
    ) -> None:
        self.config = config
        self.features = features
        self.tasks = tasks

    def load(self, device: str, weights: Weights | None) -> None:  # noqa: B027 - optional
        """Build the model on a device; `weights` is None to start from scratch."""

    @abstractmethod
    def fuse(
        self, present: Mapping[str, npt.NDArray[np.bool_]], **features: Features
    ) -> Mapping[str, TaskOutput]:
        """Fuse a micro-batch.

        Parameters
        ----------
        present
            Per stream, bool of shape (batch,): whether it is there. Rows of `features` that are
            not are zeros. Every pattern must get a sensible answer.
        features
            Per stream, its features.
        """
