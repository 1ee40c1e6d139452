"""Networks that read a sequence. Imports torch: import it only where a model is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import torch
from torch import nn

from sensorium_plugins._attention import AttentionBlock, positions

if TYPE_CHECKING:
    from sensorium_plugins.modalities._sequence_config import SequenceConfig

__all__ = ["Encoded", "Reader", "SequenceEncoder", "SignalModule"]

#: How steps are read.
Reader: TypeAlias = Literal["mean", "gru", "lstm", "transformer"]

Encoded: TypeAlias = "torch.Tensor | tuple[torch.Tensor, torch.Tensor]"

#: Readings further than this many deviations from the mean are cut: a spike is not the signal.
_CUT: Final = 10.0


class SequenceEncoder(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """Steps to a vector, or to as many vectors.

    Recurrent networks read forward only and are told by the input's last column which steps are
    there, so that what comes after the last step changes nothing.

    Parameters
    ----------
    inputs
        The length of a step's vector.
    reader
        What reads the steps.
    config
        Sizes, and what is given.
    heads
        Of a transformer: in how many parts attention is computed.
    """

    def __init__(self, inputs: int, reader: Reader, config: SequenceConfig, heads: int = 1) -> None:
        super().__init__()
        width = config.width
        self.reader = reader
        self.whole = config.output == "sequence"
        self.dropout = nn.Dropout(config.dropout)
        if reader in ("gru", "lstm"):
            kind = nn.GRU if reader == "gru" else nn.LSTM
            self.recurrent = kind(inputs + 1, width, num_layers=config.layers, batch_first=True)
        else:
            self.enter = nn.Linear(inputs, width)
        if reader == "transformer":
            self.blocks = nn.ModuleList(
                AttentionBlock(width, heads, config.dropout) for _ in range(config.layers)
            )
            self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width if self.whole else 2 * width, config.dim)

    def forward(self, steps: torch.Tensor, mask: torch.Tensor) -> Encoded:
        """Steps of shape (batch, time, inputs) and a mask (batch, time) to features."""
        if not self.whole and len(mask):
            # Most items of a batch are shorter than the longest that the configuration allows.
            used = int(mask.any(dim=0).nonzero().max()) + 1 if mask.any() else 1
            steps, mask = steps[:, :used], mask[:, :used]
        there = mask[..., None]
        hidden = self.read(torch.where(there, steps, torch.zeros_like(steps)), mask)
        if self.whole:
            given = self.project(self.dropout(hidden))
            return torch.where(there, given, torch.zeros_like(given)), mask
        weight = there.to(hidden.dtype)
        count = weight.sum(dim=1)
        mean = (hidden * weight).sum(dim=1) / count.clamp(min=1.0)
        greatest = hidden.masked_fill(~there, -1e9).amax(dim=1)
        greatest = torch.where(count > 0, greatest, torch.zeros_like(greatest))
        return self.project(self.dropout(torch.cat([mean, greatest], dim=1)))

    def read(self, steps: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The hidden state at every step, (batch, time, width)."""
        if self.reader in ("gru", "lstm"):
            known = mask.to(steps.dtype)[..., None]
            hidden: torch.Tensor = self.recurrent(torch.cat([steps, known], dim=2))[0]
            return hidden
        hidden = self.enter(steps)
        if self.reader == "mean":
            return torch.nn.functional.gelu(hidden)
        hidden = hidden + positions(hidden.shape[1], hidden.shape[2], hidden)
        for block in self.blocks:
            hidden = block(hidden, mask)
        return self.norm(hidden)


class SignalModule(nn.Module):  # type: ignore[misc]
    """A signal standardised per channel, then read step by step.

    Parameters
    ----------
    channels
        Numbers per step.
    reader, config
        As for `SequenceEncoder`.
    """

    def __init__(self, channels: int, reader: Reader, config: SequenceConfig) -> None:
        super().__init__()
        self.register_buffer("location", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        self.encoder = SequenceEncoder(channels, reader, config)

    def forward(self, signal: torch.Tensor, mask: torch.Tensor) -> Encoded:
        """Encode signals of shape (batch, time, channels), masks (batch, time), to features."""
        centred = ((signal - self.location) / self.scale).clamp(-_CUT, _CUT)
        encoded: Encoded = self.encoder(centred, mask)
        return encoded
