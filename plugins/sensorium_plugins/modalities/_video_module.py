"""An image encoder on the frames of a film. Imports torch: only for where a model is built."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["VideoModule"]


class VideoModule(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """Encodes every frame by itself, and averages over the frames that are there.

    Parameters
    ----------
    frame
        The network of a frame: pixels (batch, height, width, channels) to (batch, dim).
    pooled
        Whether to average; else a vector for every frame, with the mask.
    """

    def __init__(self, frame: nn.Module, *, pooled: bool) -> None:
        super().__init__()
        self.frame = frame
        self.pooled = pooled

    def forward(
        self, pixels: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Pixels (batch, frames, height, width, channels) to features, and a mask if not pooled."""
        # Only frames that are there are read, so that a short film costs as much as it has.
        read = self.frame(pixels[mask])
        every = read.new_zeros(*mask.shape, read.shape[1])
        every[mask] = read
        if not self.pooled:
            return every, mask
        return every.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
