"""Fusion by a transformer: every step of every stream attends to all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from sensorium.plugin import PluginConfig
from sensorium_plugins.fusions._torch_fusion import TorchFusion

if TYPE_CHECKING:
    import torch

__all__ = ["Transformer", "TransformerConfig"]


class TransformerConfig(PluginConfig):
    """The size of the network.

    Parameters
    ----------
    dim
        The length of a step's vector; a multiple of `heads`.
    heads
        In how many parts attention is computed.
    layers
        How many layers of attention there are.
    hidden
        Sizes of the hidden layers of each task's head.
    dropout
        The share of activations that training drops.
    """

    dim: int = Field(default=64, ge=2)
    heads: int = Field(default=4, ge=1)
    layers: int = Field(default=2, ge=1, le=24)
    hidden: list[Annotated[int, Field(ge=1)]] = Field(default_factory=list)
    dropout: float = Field(default=0.2, ge=0, lt=1)

    @model_validator(mode="after")
    def _dim_in_heads(self) -> TransformerConfig:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        return self


class Transformer(TorchFusion):
    """Cross-modal transformer: streams become steps that attend to each other, then are weighed.

    A vector is one step and a sequence is as many as it has; each carries a learned mark of its
    stream, and those of a sequence their position. After the layers of attention, steps are joined
    by weights that sum to 1; a stream's contribution is the sum of its steps' weights, the same for
    every task. It trains and runs with torch.
    """

    name: ClassVar[str] = "transformer"
    Config: ClassVar[type[PluginConfig]] = TransformerConfig
    sequences: ClassVar[bool] = True
    config: TransformerConfig

    def build(self) -> torch.nn.Module:
        """A fresh network."""
        from sensorium_plugins.fusions._transformer_module import TransformerModule

        return TransformerModule(self.features, self.tasks, self.config)
