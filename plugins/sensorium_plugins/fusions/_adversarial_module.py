"""`adversarial` in torch. Imports torch: only for where it is trained or run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from sensorium.plugin import FeatureSpec, Task
from sensorium_plugins.fusions._modules import FusionModule, HeadModule, Tensors

if TYPE_CHECKING:
    from sensorium_plugins.fusions._adversarial import AdversarialConfig

__all__ = ["AdversarialModule"]


class _Reverse(torch.autograd.Function):  # type: ignore[misc]  # torch is not typed here
    """The same forwards; backwards the gradient with the other sign, by a factor."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, strength: float) -> torch.Tensor:
        ctx.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -ctx.strength * gradient, None


class _WithLoss(torch.autograd.Function):  # type: ignore[misc]
    """The same forwards; backwards a loss of its own is lowered beside the caller's.

    So whoever trains the module need not know of the loss, and the validation loss is the tasks'.
    """

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, loss: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(loss)
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        (loss,) = ctx.saved_tensors
        return gradient, torch.ones_like(loss)


class AdversarialModule(FusionModule):
    """Projections, an adversary in training, the mean over what is present, heads."""

    def __init__(
        self,
        features: Mapping[str, FeatureSpec],
        tasks: Mapping[str, Task],
        config: AdversarialConfig,
    ) -> None:
        super().__init__(features, tasks)
        dim = config.dim
        for name, spec in features.items():
            self.add_module(f"project_{name}", nn.Linear(spec.dim, dim))
        for name, task in tasks.items():
            self.add_module(f"task_{name}", HeadModule(task, [dim, *config.hidden], config.dropout))
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(config.dropout)
        self.adversary = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, len(features))
        )
        self.strength = config.strength

    def with_shares(
        self, present: Tensors, features: Tensors, masks: Tensors | None = None
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Raw outputs and shares per task; in training, the adversary learns along."""
        blocks, there = self.inputs(present, features, masks)
        shared = torch.stack(
            [
                functional.gelu(self.norm(getattr(self, f"project_{name}")(block)))
                for name, block in zip(self.stream_names, blocks, strict=True)
            ],
            dim=1,
        )
        weights = there.to(shared.dtype)
        joined = (shared * weights[..., None]).sum(dim=1)
        joined = joined / weights.sum(dim=1, keepdim=True).clamp(min=1)
        if self.training and there.any():
            joined = _WithLoss.apply(joined, self._adversary_loss(shared, there))
        lengths = shared.detach().norm(dim=2) * weights
        shares = lengths / lengths.sum(dim=1, keepdim=True).clamp(min=1e-12)
        logits = self.heads(self.dropout(joined), there.any(dim=1))
        return logits, dict.fromkeys(self.task_names, shares)

    def _adversary_loss(self, shared: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """How well the adversary tells of which stream each vector is."""
        guesses = self.adversary(_Reverse.apply(shared[there], self.strength))
        truth = torch.arange(there.shape[1], device=there.device).expand_as(there)[there]
        return functional.cross_entropy(guesses, truth)
