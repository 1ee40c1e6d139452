"""A task: what is to be predicted, and what a raw output means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from sensorium.events import TaskResult
from sensorium.plugin._plugin import API_VERSION, PluginConfig

if TYPE_CHECKING:
    import torch

__all__ = ["Task"]


class Task(ABC):
    """What is to be predicted; a fusion instantiates its head from it.

    Parameters
    ----------
    config
        The task's part of the pipeline file without ``type`` and ``target``, as a `Config`.
    """

    name: ClassVar[str]
    """The ``type`` in the pipeline file: ``classification``, ``multi-label``, ``regression``."""
    api: ClassVar[int] = API_VERSION
    """The plugin API that the class was written for."""
    Config: ClassVar[type[PluginConfig]] = PluginConfig
    """The model of the configuration; strict."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @property
    @abstractmethod
    def size(self) -> int:
        """How many raw outputs (logits) a head has for this task."""

    @abstractmethod
    def activate(self, logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Raw outputs, shape (batch, size), to probabilities or values of the same shape."""

    @abstractmethod
    def result(self, activated: npt.NDArray[Any]) -> TaskResult:
        """One activated row, shape (size,), as it is written into a prediction."""

    @abstractmethod
    def target(self, value: Any) -> npt.NDArray[np.float64]:
        """One target as the streams carry it (a label, labels, a number), as a row.

        Returns
        -------
        array of shape (size,)
            One-hot for a classification, 0/1 per label for multi-label, values for a regression.

        Raises
        ------
        PayloadError
            If the value is not one of the task's.
        """

    @abstractmethod
    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The mean loss of raw outputs against `target` rows, both (batch, size); needs torch."""
