"""Images encoded by a residual network of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from sensorium.plugin import PluginConfig
from sensorium_plugins.modalities._image import ImageConfig, ImageModality

if TYPE_CHECKING:
    import torch

__all__ = ["ImageResnet", "ImageResnetConfig"]


class ImageResnetConfig(ImageConfig):
    """The images and the network.

    Parameters
    ----------
    base
        The channels of the first stage, a multiple of 4; every further stage has twice as many.
    blocks
        How many residual blocks each stage has: ``[2, 2, 2, 2]`` with a base of 64 has the depth
        and width of ResNet-18.
    """

    base: int = Field(default=16, ge=4, le=512, multiple_of=4)
    blocks: list[Annotated[int, Field(ge=1, le=64)]] = Field(
        default_factory=lambda: [1, 1, 1], min_length=1, max_length=6
    )


class ImageResnet(ImageModality):
    """A residual network, trained from scratch, over images brought to one size."""

    name: ClassVar[str] = "image-resnet"
    Config: ClassVar[type[PluginConfig]] = ImageResnetConfig
    config: ImageResnetConfig

    def build(self) -> torch.nn.Module:
        """A fresh network."""
        from sensorium_plugins.modalities._image_modules import ImageResnetModule

        return ImageResnetModule(self.config)
