"""Images encoded by a vision transformer of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from sensorium.plugin import PluginConfig
from sensorium_plugins.modalities._image import ImageConfig, ImageModality

if TYPE_CHECKING:
    import torch

__all__ = ["ImageVit", "ImageVitConfig"]


class ImageVitConfig(ImageConfig):
    """The images and the transformer.

    Parameters
    ----------
    patch
        Images are cut into squares of so many pixels a side; height and width are multiples of it.
    embedding
        The length of a patch's vector, a multiple of `heads`.
    depth
        How many layers there are.
    heads
        In how many parts attention is computed.
    """

    patch: int = Field(default=8, ge=1, le=256)
    embedding: int = Field(default=64, ge=1, le=4096)
    depth: int = Field(default=3, ge=1, le=48)
    heads: int = Field(default=4, ge=1)

    @model_validator(mode="after")
    def _whole_patches_and_heads(self) -> ImageVitConfig:
        if self.height % self.patch or self.width % self.patch:
            raise ValueError(
                f"height {self.height} and width {self.width} are not multiples of patch "
                f"{self.patch}"
            )
        if self.embedding % self.heads:
            raise ValueError(f"embedding {self.embedding} is not a multiple of heads {self.heads}")
        return self


class ImageVit(ImageModality):
    """A vision transformer, trained from scratch, over images brought to one size.

    Patches are embedded, given a learned place each and read by a transformer encoder; mean and
    maximum over the patches are projected (Dosovitskiy et al., "An image is worth 16x16 words",
    ICLR 2021, without the class token). It takes more images than a convolutional network to
    learn as much.
    """

    name: ClassVar[str] = "image-vit"
    Config: ClassVar[type[PluginConfig]] = ImageVitConfig
    config: ImageVitConfig

    def build(self) -> torch.nn.Module:
        """A fresh network."""
        from sensorium_plugins.modalities._image_modules import ImageVitModule

        return ImageVitModule(self.config)
