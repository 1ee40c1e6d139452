"""What the fusions that run in torch share: building, weights, and a micro-batch through them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from sensorium.plugin import Features, FeatureSpec, Fusion, Task, TaskOutput, Weights
from sensorium_plugins._extras import import_torch, to_array, to_device
from sensorium_plugins._weights import check_weights, from_module, shapes_of, to_module
from sensorium_plugins.fusions._heads import output, target_weights
from sensorium_plugins.fusions._inputs import presence, vectors

if TYPE_CHECKING:
    import torch

__all__ = ["TorchFusion"]


class TorchFusion(Fusion):
    """A fusion that trains and runs with torch.

    Its module has ``with_shares``, which takes what ``forward`` takes and gives, beside the raw
    outputs, per task each stream's share: (batch, streams), 0 where absent.
    """

    requires: ClassVar[tuple[str, ...]] = ("torch",)
    sequences: ClassVar[bool] = False
    """Whether the module is given the steps of sequences; they are averaged for it if not."""

    def __init__(
        self, config: Any, features: Mapping[str, FeatureSpec], tasks: Mapping[str, Task]
    ) -> None:
        super().__init__(config, features, tasks)
        self._device = "cpu"
        self._module: Any = None

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """A fresh module over these streams and tasks."""

    def load(self, device: str, weights: Weights | None) -> None:
        """Build the network; without weights, the same fresh one every time.

        Raises
        ------
        MissingExtraError
            If torch is not installed.
        PluginError
            If there is no such device, or the weights are not those of this fusion over these
            streams and tasks.
        """
        named = f"fusion '{self.name}'"
        torch = import_torch(named)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = self.build()
        if weights is not None:
            check_weights(named, weights, shapes_of(module))
            to_module(module, weights)
        self._device = device
        self._module = to_device(module, device, named).eval()

    def begin(self, targets: Mapping[str, npt.NDArray[Any]]) -> None:
        """Set prior and scale from the targets of the training split, before `module` trains.

        Parameters
        ----------
        targets
            Per task, rows of `Task.target`, NaN rows where an item has no target.
        """
        weights = from_module(self.module())
        for name, task in self.tasks.items():
            own = target_weights(f"task_{name}", task, targets[name])
            weights |= {key: value for key, value in own.items() if key in weights}
        to_module(self.module(), weights)

    def module(self) -> torch.nn.Module:
        """The live network."""
        if self._module is None:
            self.load(self._device, None)
        return self._module

    def fuse(
        self, present: Mapping[str, npt.NDArray[np.bool_]], **features: Features
    ) -> Mapping[str, TaskOutput]:
        """Fuse a micro-batch; where nothing is present, the learned prior and shares of 0."""
        torch = import_torch(f"fusion '{self.name}'")
        module: Any = self.module()
        there = presence(self.features, present)

        # Copied: torch takes no read-only arrays.
        tensor = partial(torch.tensor, device=self._device)
        given, masks = {}, {}
        for name in self.features:
            feature = features[name]
            given[name] = tensor(
                np.asarray(feature.data, dtype=np.float32) if self.sequences else vectors(feature)
            )
            if self.sequences and feature.mask is not None:
                masks[name] = tensor(feature.mask)
        with torch.inference_mode():
            logits, shares = module.with_shares(
                {name: tensor(there[:, column]) for column, name in enumerate(self.features)},
                given,
                masks,
            )
        return {
            name: output(task, to_array(logits[name]), to_array(shares[name]))
            for name, task in self.tasks.items()
        }
