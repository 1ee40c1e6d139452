"""Text as trained word vectors, read by a transformer encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from sensorium.plugin import PluginConfig
from sensorium_plugins.modalities._text import TokenConfig, TokenModality

if TYPE_CHECKING:
    import torch

__all__ = ["TextTransformer", "TextTransformerConfig"]


class TextTransformerConfig(TokenConfig):
    """The text, and the size of the transformer.

    Parameters
    ----------
    heads
        In how many parts attention is computed; `width` is a multiple of it.
    """

    layers: int = Field(default=2, ge=1, le=24)
    heads: int = Field(default=4, ge=1)

    @model_validator(mode="after")
    def _width_in_heads(self) -> TextTransformerConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class TextTransformer(TokenModality):
    """Word vectors read by a small transformer encoder, trained end to end from scratch."""

    name: ClassVar[str] = "text-transformer"
    Config: ClassVar[type[PluginConfig]] = TextTransformerConfig
    config: TextTransformerConfig

    def build(self) -> torch.nn.Module:
        """A fresh network."""
        from sensorium_plugins.modalities._text_module import TextModule

        return TextModule(self.config, "transformer", self.config.heads)
