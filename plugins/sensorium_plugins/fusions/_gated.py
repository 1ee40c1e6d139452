"""Fusion by gates: attention over the streams that are present."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sensorium.plugin import Features, FeatureSpec, Fusion, PluginConfig, Task, TaskOutput, Weights
from sensorium_plugins._extras import import_torch, to_device
from sensorium_plugins._weights import check_weights, from_module, shapes_of, to_module
from sensorium_plugins.fusions._heads import output, target_weights
from sensorium_plugins.fusions._inputs import presence, vectors

if TYPE_CHECKING:
    import torch

__all__ = ["Gated", "GatedConfig"]


class GatedConfig(PluginConfig):
    """The size of the network.

    Parameters
    ----------
    dim
        The length of the projections.
    hidden
        Sizes of the hidden layers of each task's head.
    dropout
        The share of activations that training drops.
    """

    dim: int = Field(default=64, ge=1)
    hidden: list[Annotated[int, Field(ge=1)]] = Field(default_factory=lambda: [64])
    dropout: float = Field(default=0.3, ge=0, lt=1)


class Gated(Fusion):
    """Projections weighed by gates (a softmax over the streams present), then a head per task.

    The contributions are the gates: the weights with which the streams entered the sum, the same
    for every task. It trains and runs with torch.
    """

    name: ClassVar[str] = "gated"
    Config: ClassVar[type[PluginConfig]] = GatedConfig
    requires: ClassVar[tuple[str, ...]] = ("torch",)
    config: GatedConfig

    def __init__(
        self, config: GatedConfig, features: Mapping[str, FeatureSpec], tasks: Mapping[str, Task]
    ) -> None:
        super().__init__(config, features, tasks)
        self._device = "cpu"
        self._module: Any = None

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
        torch = import_torch("fusion 'gated'")
        from sensorium_plugins.fusions._modules import GatedModule

        config = self.config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = GatedModule(
                self.features, self.tasks, config.dim, config.hidden, config.dropout
            )
        if weights is not None:
            check_weights("fusion 'gated'", weights, shapes_of(module))
            to_module(module, weights)
        self._device = device
        self._module = to_device(module, device, "fusion 'gated'").eval()

    def begin(self, targets: Mapping[str, npt.NDArray[Any]]) -> None:
        """Set prior and scale from the targets of the training split, before `module` trains."""
        weights = from_module(self.module())
        for name, task in self.tasks.items():
            weights |= target_weights(f"task_{name}", task, targets[name])
        to_module(self.module(), weights)

    def module(self) -> torch.nn.Module:
        """The live network."""
        if self._module is None:
            self.load(self._device, None)
        return self._module

    def fuse(
        self, present: Mapping[str, npt.NDArray[np.bool_]], **features: Features
    ) -> Mapping[str, TaskOutput]:
        """Fuse a micro-batch; where nothing is present, the learned prior and gates of 0."""
        torch = import_torch("fusion 'gated'")
        module: Any = self.module()
        there = presence(self.features, present)
        with torch.inference_mode():
            # Copied: torch takes no read-only arrays.
            logits, gates = module.with_gates(
                {
                    name: torch.tensor(there[:, column], device=self._device)
                    for column, name in enumerate(self.features)
                },
                {
                    name: torch.tensor(vectors(features[name]), device=self._device)
                    for name in self.features
                },
            )
        contribution = gates.cpu().numpy()
        return {
            name: output(task, logits[name].cpu().numpy(), contribution)
            for name, task in self.tasks.items()
        }
