"""The network of `sensor-cnn`. Imports torch, so it is imported only where a model is built."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import torch
from torch import nn
from torch.nn import functional

__all__ = ["SensorCnnModule"]

#: Readings further than this many deviations from the mean are cut: a spike is not the signal.
_CUT: Final = 10.0


class SensorCnnModule(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """Three convolutions, each halving the time axis, then mean and maximum over what is there.

    Normalisation is per item (GroupNorm), so an item's feature does not depend on its batch.

    Parameters
    ----------
    channels
        Channels of the sensor.
    width
        Channels of the first convolution; the others have twice as many.
    dim
        Length of the feature.
    dropout
        The share of pooled activations that training drops.
    """

    def __init__(self, channels: int, width: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("location", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        widths = [channels + 1, width, 2 * width, 2 * width]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(taken, given, kernel_size=5, padding=2) for taken, given in pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(4, given) for given in widths[1:])
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(2 * widths[-1], dim)

    def forward(self, signal: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Encode signals of shape (batch, length, channels), masks (batch, length), to features.

        Returns
        -------
        tensor of shape (batch, dim)
        """
        there = mask.to(signal.dtype)[:, None]
        centred = ((signal - self.location) / self.scale).clamp(-_CUT, _CUT)
        hidden = torch.cat([centred.transpose(1, 2) * there, there], dim=1)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            hidden = functional.gelu(norm(convolution(hidden)))
            hidden = functional.max_pool1d(hidden, 2, ceil_mode=True)
            there = functional.max_pool1d(there, 2, ceil_mode=True)
        mean = (hidden * there).sum(dim=2) / there.sum(dim=2).clamp(min=1.0)
        # GELU never gives less than -1, so what is not there never is the maximum.
        greatest = (hidden * there - 2.0 * (1.0 - there)).amax(dim=2)
        return self.project(self.dropout(torch.cat([mean, greatest], dim=1)))
