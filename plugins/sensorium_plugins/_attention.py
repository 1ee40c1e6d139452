"""Self-attention among the steps that are there. Imports torch: only for where models are built."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

__all__ = ["AttentionBlock", "positions"]


class AttentionBlock(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """One layer of a transformer encoder, normalised first (Xiong et al., ICML 2020).

    Steps that are not there are attended to by none. Where nothing is there the result is finite,
    which the layers of torch do not promise.

    Parameters
    ----------
    dim
        The length of a step's vector.
    heads
        In how many parts attention is computed; `dim` is a multiple of it.
    dropout
        The share of activations that training drops.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(dim), nn.LayerNorm(dim)])
        self.queries_keys_values = nn.Linear(dim, 3 * dim)
        self.join = nn.Linear(dim, dim)
        self.widen = nn.Linear(dim, 4 * dim)
        self.narrow = nn.Linear(4 * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, steps: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Steps of shape (batch, time, dim) and a mask (batch, time) to steps of that shape."""
        batch, time, dim = steps.shape
        parts = self.queries_keys_values(self.norms[0](steps)).chunk(3, dim=2)
        query, key, value = (
            part.view(batch, time, self.heads, dim // self.heads).transpose(1, 2) for part in parts
        )
        # A finite fill, so that an item without any step does not become NaN.
        closed = steps.new_zeros(batch, 1, 1, time).masked_fill(~mask[:, None, None], -1e4)
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=closed)
        steps = steps + self.dropout(self.join(seen.transpose(1, 2).reshape(batch, time, dim)))
        hidden = functional.gelu(self.widen(self.norms[1](steps)))
        return steps + self.dropout(self.narrow(hidden))


def positions(time: int, dim: int, like: torch.Tensor) -> torch.Tensor:
    """Sinusoidal positions (Vaswani et al., NeurIPS 2017), shape (time, dim)."""
    rates = torch.exp(torch.arange(0, dim, 2, device=like.device) * (-math.log(10_000.0) / dim))
    angles = torch.arange(time, device=like.device)[:, None] * rates
    both = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
    return both[:, :dim].to(like.dtype)
