"""Word vectors read by a network. Imports torch: import it only where a model is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from sensorium_plugins.modalities._sequence_module import Encoded, Reader, SequenceEncoder

if TYPE_CHECKING:
    from sensorium_plugins.modalities._text import TokenConfig

__all__ = ["TextModule"]


class TextModule(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """A vector per word, trained with the rest, and a network that reads them."""

    def __init__(self, config: TokenConfig, reader: Reader, heads: int = 1) -> None:
        super().__init__()
        self.words = nn.Embedding(config.vocabulary + 1, config.embedding, padding_idx=0)
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = SequenceEncoder(config.embedding, reader, config, heads)

    def forward(self, tokens: torch.Tensor) -> Encoded:
        """Numbers of words (batch, time), 0 where there is none, to features."""
        encoded: Encoded = self.encoder(self.dropout(self.words(tokens.long())), tokens > 0)
        return encoded
