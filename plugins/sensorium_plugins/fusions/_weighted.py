"""Fusion by a weighted mean of projections, with weights that are given or learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sensorium.errors import PluginError
from sensorium.plugin import FeatureSpec, PluginConfig, Task
from sensorium_plugins.fusions._inputs import Floats
from sensorium_plugins.fusions._pooled import PooledConfig, PooledFusion

if TYPE_CHECKING:
    import torch

__all__ = ["Weighted", "WeightedConfig"]


class WeightedConfig(PooledConfig):
    """The size of the common space, and what each stream weighs.

    Parameters
    ----------
    weights
        What each stream weighs, fixed, as ``{accel: 2, gyro: 1}``; streams that are not named weigh
        1. Without any, the weights are learned.
    """

    weights: dict[str, Annotated[float, Field(gt=0, le=1e6)]] = Field(default_factory=dict)


class Weighted(PooledFusion):
    """A learned projection per stream, their weighted mean, a linear head.

    A stream's weight is the same for every set; it is divided by the sum over the streams that are
    present. Contributions are exact, as those of `mean`. It trains with torch, and runs in numpy.
    """

    name: ClassVar[str] = "weighted"
    Config: ClassVar[type[PluginConfig]] = WeightedConfig
    config: WeightedConfig

    def __init__(
        self,
        config: WeightedConfig,
        features: Mapping[str, FeatureSpec],
        tasks: Mapping[str, Task],
    ) -> None:
        super().__init__(config, features, tasks)
        unknown = sorted(set(config.weights) - set(features))
        if unknown:
            raise PluginError(
                f"fusion 'weighted': weights names {', '.join(map(repr, unknown))}, which is no "
                f"stream of the pipeline; the streams are {', '.join(features)}"
            )

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The names and shapes of the weights."""
        learned = {} if self.config.weights else {"balance": (len(self.features),)}
        return super().shapes | learned

    def parts(self, projected: Floats, there: npt.NDArray[np.bool_]) -> Floats:
        """Each stream's projection by its weight over the weights of the streams present."""
        balance = self._weights["balance"] if not self.config.weights else self._fixed()
        powers = np.where(there, np.exp(balance - balance.max()), 0)
        share = powers / np.maximum(powers.sum(axis=1, keepdims=True), 1e-12)
        weighed: Floats = (projected * share[:, :, None]).astype(np.float32)
        return weighed

    def build(self) -> torch.nn.Module:
        """The same model in torch, not yet with its weights."""
        from sensorium_plugins.fusions._pooled_modules import WeightedModule

        fixed = self._fixed() if self.config.weights else None
        config = self.config
        return WeightedModule(self.features, self.tasks, config.dim, config.dropout, fixed)

    def _fixed(self) -> Floats:
        given = [self.config.weights.get(name, 1.0) for name in self.features]
        logarithms: Floats = np.log(np.array(given)).astype(np.float32)
        return logarithms
