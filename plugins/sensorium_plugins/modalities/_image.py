"""What the image modalities share: one image an event, of one size, standardised and augmented."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sensorium.errors import PayloadError
from sensorium.plugin import Arrays, FeatureSpec, Payload, PluginConfig, Samples, Weights
from sensorium_plugins.modalities._pictures import decode_picture
from sensorium_plugins.modalities._torch_modality import TorchModality

__all__ = ["ImageConfig", "ImageModality"]


class ImageConfig(PluginConfig):
    """The images, and how they are varied in training.

    Parameters
    ----------
    height, width
        What every image is resized to, in pixels.
    channels
        1 for grey, 3 for colours; images are converted.
    max_pixels
        Larger images are refused before their pixels are decoded.
    shift
        In training, an image is shifted by up to this share of its height and width.
    flip
        In training, half of the images are mirrored.
    contrast
        In training, the deviation from the mean brightness is scaled by up to this share.
    dim
        The length of the feature.
    dropout
        The share of activations that training drops.
    """

    height: int = Field(default=64, ge=8, le=1024)
    width: int = Field(default=64, ge=8, le=1024)
    channels: Literal[1, 3] = 3
    max_pixels: int = Field(default=50_000_000, ge=64, le=89_000_000)
    shift: float = Field(default=0.1, ge=0, le=0.5)
    flip: bool = False
    contrast: float = Field(default=0.2, ge=0, lt=1)
    dim: int = Field(default=64, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)


class ImageModality(TorchModality):
    """An image per event; a set's images are encoded once each, and their features averaged."""

    per: ClassVar[Literal["event", "set"]] = "event"
    prepare_at: ClassVar[Literal["ingest", "replica"]] = "ingest"
    requires: ClassVar[tuple[str, ...]] = ("torch", "PIL")
    config: Any

    def decode(self, payload: Payload) -> npt.NDArray[np.uint8]:
        """Read a JPEG, a PNG or an array of pixels, and resize it.

        Raises
        ------
        PayloadError
            If it is none of these, is damaged, or has more pixels than `max_pixels`.
        """
        config = self.config
        return decode_picture(
            payload,
            (config.height, config.width),
            config.channels,
            config.max_pixels,
            f"modality '{self.name}'",
        )

    def prepare(self, items: Sequence[Samples]) -> Arrays:
        """Put the images together.

        Returns
        -------
        dict
            ``pixels``: uint8 of shape (items, height, width, channels).

        Raises
        ------
        PayloadError
            If an item has more than one image: each is an item of its own.
        """
        if any(len(item.values) != 1 for item in items):
            raise PayloadError("an item has several images; the engine gives each by itself")
        return {"pixels": np.stack([item.values[0] for item in items])}

    @property
    def feature(self) -> FeatureSpec:
        """A vector of `dim` numbers."""
        return FeatureSpec(dim=self.config.dim)

    def fit(self, arrays: Arrays) -> Weights:
        """Learn mean and deviation of each channel, of pixels from 0 to 1; the rest stays."""
        pixels = arrays["pixels"]
        # Some thousand images are enough for a mean, and float64 is eight times their memory.
        some = pixels[:: max(1, len(pixels) // 2000)]
        return self._with_scaling(some.reshape(-1, pixels.shape[-1]) / 255.0)
