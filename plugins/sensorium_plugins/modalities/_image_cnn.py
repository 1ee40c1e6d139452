"""Images encoded by a plain convolutional network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from sensorium.plugin import PluginConfig
from sensorium_plugins.modalities._image import ImageConfig, ImageModality

if TYPE_CHECKING:
    import torch

__all__ = ["ImageCnn", "ImageCnnConfig"]


class ImageCnnConfig(ImageConfig):
    """The images and the network.

    Parameters
    ----------
    layers
        The channels of each convolution, multiples of 4; each halves the image.
    """

    layers: list[Annotated[int, Field(ge=4, le=2048, multiple_of=4)]] = Field(
        default_factory=lambda: [16, 32, 64], min_length=1, max_length=10
    )


class ImageCnn(ImageModality):
    """A convolutional network over JPEG or PNG images or arrays of pixels, brought to one size."""

    name: ClassVar[str] = "image-cnn"
    Config: ClassVar[type[PluginConfig]] = ImageCnnConfig
    config: ImageCnnConfig

    def build(self) -> torch.nn.Module:
        """A fresh network."""
        from sensorium_plugins.modalities._image_modules import ImageCnnModule

        return ImageCnnModule(self.config)
