"""Fusion by gates: attention over the streams that are present."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from sensorium.plugin import PluginConfig
from sensorium_plugins.fusions._torch_fusion import TorchFusion

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


class Gated(TorchFusion):
    """Projections weighed by gates (a softmax over the streams present), then a head per task.

    The contributions are the gates: the weights with which the streams entered the sum, the same
    for every task. It trains and runs with torch.
    """

    name: ClassVar[str] = "gated"
    Config: ClassVar[type[PluginConfig]] = GatedConfig
    config: GatedConfig

    def build(self) -> torch.nn.Module:
        """A fresh network."""
        from sensorium_plugins.fusions._modules import GatedModule

        config = self.config
        return GatedModule(self.features, self.tasks, config.dim, config.hidden, config.dropout)
