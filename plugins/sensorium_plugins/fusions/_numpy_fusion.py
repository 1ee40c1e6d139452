"""What the fusions that run in numpy share: their weights, and the same model in torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from sensorium.plugin import FeatureSpec, Fusion, Task, Weights
from sensorium_plugins._extras import import_torch
from sensorium_plugins._weights import Shapes, check_weights, to_module
from sensorium_plugins.fusions._heads import Head, fresh_weights, target_weights
from sensorium_plugins.fusions._inputs import Standardised

if TYPE_CHECKING:
    import torch

__all__ = ["NumpyFusion"]


class NumpyFusion(Fusion):
    """A fusion that runs in numpy, on the CPU, and trains by gradient as a torch module."""

    requires: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, config: Any, features: Mapping[str, FeatureSpec], tasks: Mapping[str, Task]
    ) -> None:
        super().__init__(config, features, tasks)
        self._weights: dict[str, npt.NDArray[Any]] = {}
        self._inputs: dict[str, Standardised] = {}
        self._heads: dict[str, Head] = {}
        self._module: Any = None

    @property
    @abstractmethod
    def shapes(self) -> Shapes:
        """The names and shapes of the weights."""

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """A module whose parameters and buffers are named as the weights."""

    def load(self, device: str, weights: Weights | None) -> None:
        """Take the weights; without any, the same fresh ones every time. It runs on the CPU.

        Raises
        ------
        PluginError
            If the weights are not those of this fusion over these streams and tasks.
        """
        if weights is not None:
            check_weights(f"fusion '{self.name}'", weights, self.shapes)
        self._weights = dict(fresh_weights(self.shapes) if weights is None else weights)
        self._inputs = {n: Standardised.of(self._weights, f"stream_{n}") for n in self.features}
        self._heads = {name: Head(self._weights, f"task_{name}") for name in self.tasks}
        self._module = None

    def begin(self, targets: Mapping[str, npt.NDArray[Any]]) -> None:
        """Set prior and scale from the targets of the training split, before `module` trains.

        Parameters
        ----------
        targets
            Per task, rows of `Task.target`, NaN rows where an item has no target.
        """
        if not self._weights:
            self.load("cpu", None)
        for name, task in self.tasks.items():
            self._weights |= target_weights(f"task_{name}", task, targets[name])
        self.load("cpu", self._weights)

    def module(self) -> torch.nn.Module:
        """The same model in torch; `load` its ``state_dict`` to run what it has learned.

        Raises
        ------
        MissingExtraError
            If torch is not installed.
        """
        import_torch(f"training fusion '{self.name}'")
        if self._module is None:
            if not self._weights:
                self.load("cpu", None)
            self._module = self.build()
            to_module(self._module, self._weights)
        return self._module

    def _standardised(
        self, vectors: Mapping[str, npt.NDArray[np.float32]], there: npt.NDArray[np.bool_]
    ) -> list[npt.NDArray[np.float32]]:
        """Per stream, in order, its standardised vectors; rows that are not there are zeros."""
        if not self._weights:
            self.load("cpu", None)
        return [
            self._inputs[name](vectors[name], there[:, column])
            for column, name in enumerate(self.features)
        ]
