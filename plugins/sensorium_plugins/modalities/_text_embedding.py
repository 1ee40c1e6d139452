"""Text as trained word vectors, read by a recurrent network or averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from sensorium.plugin import PluginConfig
from sensorium_plugins.modalities._text import TokenConfig, TokenModality

if TYPE_CHECKING:
    import torch

__all__ = ["TextEmbedding", "TextEmbeddingConfig"]


class TextEmbeddingConfig(TokenConfig):
    """The text, and what reads the words.

    Parameters
    ----------
    reader
        ``gru`` or ``lstm``: a recurrent network, in the order of the words; ``mean``: each word by
        itself.
    """

    reader: Literal["gru", "lstm", "mean"] = "gru"


class TextEmbedding(TokenModality):
    """Word vectors, trained end to end, read by a GRU or an LSTM or word by word."""

    name: ClassVar[str] = "text-embedding"
    Config: ClassVar[type[PluginConfig]] = TextEmbeddingConfig
    config: TextEmbeddingConfig

    def build(self) -> torch.nn.Module:
        """A fresh network."""
        from sensorium_plugins.modalities._text_module import TextModule

        return TextModule(self.config, self.config.reader)
