"""The network of `transformer`. Imports torch: import it only where one is trained or run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from sensorium.plugin import FeatureSpec, Task
from sensorium_plugins._attention import AttentionBlock, positions
from sensorium_plugins.fusions._modules import FusionModule, HeadModule, Tensors

if TYPE_CHECKING:
    from sensorium_plugins.fusions._transformer import TransformerConfig

__all__ = ["TransformerModule"]


class TransformerModule(FusionModule):
    """Steps of all streams through attention, then a weighed sum and a head per task."""

    def __init__(
        self,
        features: Mapping[str, FeatureSpec],
        tasks: Mapping[str, Task],
        config: TransformerConfig,
    ) -> None:
        super().__init__(features, tasks)
        dim = config.dim
        for name, spec in features.items():
            self.add_module(f"project_{name}", nn.Linear(spec.dim, dim))
            self.register_parameter(f"mark_{name}", nn.Parameter(0.1 * torch.randn(dim)))
        self.blocks = nn.ModuleList(
            AttentionBlock(dim, config.heads, config.dropout) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.weigh = nn.Linear(dim, 1)
        self.dropout = nn.Dropout(config.dropout)
        for name, task in tasks.items():
            head = HeadModule(task, [dim, *config.hidden], config.dropout)
            self.add_module(f"task_{name}", head)

    def with_shares(
        self, present: Tensors, features: Tensors, masks: Tensors | None = None
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Raw outputs per task, and per task each stream's share."""
        parts, open_parts = [], []
        for name in self.stream_names:
            steps, mask = getattr(self, f"stream_{name}").steps(
                features[name], present[name], (masks or {}).get(name)
            )
            marked = getattr(self, f"project_{name}")(steps) + getattr(self, f"mark_{name}")
            if features[name].dim() == 3:
                marked = marked + positions(steps.shape[1], marked.shape[2], marked)
            parts.append(marked)
            open_parts.append(mask)
        tokens, there = torch.cat(parts, dim=1), torch.cat(open_parts, dim=1)
        for block in self.blocks:
            tokens = block(tokens, there)
        tokens = self.norm(tokens)
        # A finite fill, so that a row with nothing present is zeros and not NaN.
        scores = self.weigh(tokens)[..., 0].masked_fill(~there, -1e4)
        weights = torch.softmax(scores, dim=1) * there
        joined = (tokens * weights[..., None]).sum(dim=1)
        widths = [mask.shape[1] for mask in open_parts]
        shares = torch.stack([part.sum(dim=1) for part in weights.split(widths, dim=1)], dim=1)
        logits = self.heads(self.dropout(joined), there.any(dim=1))
        return logits, dict.fromkeys(self.task_names, shares)
