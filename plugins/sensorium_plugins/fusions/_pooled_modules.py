"""`mean`, `max` and `weighted` in torch: imported only where one is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from sensorium.plugin import FeatureSpec, Task
from sensorium_plugins.fusions._inputs import Floats
from sensorium_plugins.fusions._modules import FusionModule, HeadModule, Tensors

__all__ = ["POOLED", "MaxModule", "MeanModule", "WeightedModule"]


class MeanModule(FusionModule):
    """`mean` in torch, and what the others share with it."""

    def __init__(
        self,
        features: Mapping[str, FeatureSpec],
        tasks: Mapping[str, Task],
        dim: int,
        dropout: float,
    ) -> None:
        super().__init__(features, tasks)
        for name, spec in features.items():
            self.add_module(f"project_{name}", nn.Linear(spec.dim, dim))
        for name, task in tasks.items():
            self.add_module(f"task_{name}", HeadModule(task, [dim]))
        self.dropout = nn.Dropout(dropout)

    def pool(self, projected: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """(batch, streams, dim) and presence (batch, streams) to (batch, dim)."""
        weight = there.to(projected.dtype)[..., None]
        return (projected * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)

    def forward(
        self, present: Tensors, features: Tensors, masks: Tensors | None = None
    ) -> dict[str, torch.Tensor]:
        """Per task, raw outputs of shape (batch, size)."""
        blocks, there = self.inputs(present, features, masks)
        projected = [
            torch.relu(getattr(self, f"project_{name}")(block))
            for name, block in zip(self.stream_names, blocks, strict=True)
        ]
        hidden = self.dropout(self.pool(torch.stack(projected, dim=1), there))
        return self.heads(hidden, there.any(dim=1))


class MaxModule(MeanModule):
    """`max` in torch."""

    def pool(self, projected: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """The greatest projection of the streams present; 0 where there is none."""
        # Projections are not negative, so what is absent never is the maximum.
        return projected.masked_fill(~there[..., None], -1.0).amax(dim=1).clamp(min=0.0)


class WeightedModule(MeanModule):
    """`weighted` in torch; `fixed` are the logarithms of weights that are given."""

    def __init__(
        self,
        features: Mapping[str, FeatureSpec],
        tasks: Mapping[str, Task],
        dim: int,
        dropout: float,
        fixed: Floats | None = None,
    ) -> None:
        super().__init__(features, tasks, dim, dropout)
        if fixed is None:
            self.balance = nn.Parameter(torch.zeros(len(features)))
        else:
            # Not in the checkpoint: they are in the pipeline file.
            given = torch.tensor(np.asarray(fixed))
            self.register_buffer("balance", given, persistent=False)

    def pool(self, projected: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """The weighted mean over the streams present."""
        weight = torch.softmax(self.balance.masked_fill(~there, -1e4), dim=1) * there
        return (projected * weight[..., None]).sum(dim=1)


#: Per fusion's name, its module.
POOLED: Final[Mapping[str, Any]] = {"mean": MeanModule, "max": MaxModule}
