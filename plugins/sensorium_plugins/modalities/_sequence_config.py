"""The options of networks that read a sequence step by step."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sensorium.plugin import FeatureSpec, PluginConfig

__all__ = ["SequenceConfig"]


class SequenceConfig(PluginConfig):
    """The size of the network, and what it gives.

    Parameters
    ----------
    dim
        The length of the feature.
    width
        The length of the hidden state.
    layers
        How many layers there are.
    dropout
        The share of activations that training drops.
    output
        ``vector``: mean and maximum over the steps that are there, projected. ``sequence``: a
        vector for every step, for a fusion that takes them, as `transformer`; others average.
    """

    dim: int = Field(default=64, ge=1)
    width: int = Field(default=64, ge=1, le=4096)
    layers: int = Field(default=1, ge=1, le=24)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    output: Literal["vector", "sequence"] = "vector"

    @property
    def feature(self) -> FeatureSpec:
        """What it gives."""
        return FeatureSpec(dim=self.dim, kind=self.output)
