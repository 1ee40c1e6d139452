"""The networks of the image modalities. Imports torch: only for where a model is built."""

from __future__ import annotations

from abc import abstractmethod
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from sensorium_plugins.modalities._image import ImageConfig
    from sensorium_plugins.modalities._image_cnn import ImageCnnConfig
    from sensorium_plugins.modalities._image_resnet import ImageResnetConfig
    from sensorium_plugins.modalities._image_vit import ImageVitConfig

__all__ = ["ImageCnnModule", "ImageResnetModule", "ImageVitModule"]

#: Normalisation is per item (GroupNorm), so an item's feature does not depend on its batch.
_GROUPS = 4


class _ImageModule(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """Pixels standardised, in training varied, then a network, pooled and projected."""

    def __init__(self, config: ImageConfig, channels: int) -> None:
        super().__init__()
        self.register_buffer("location", torch.zeros(config.channels))
        self.register_buffer("scale", torch.ones(config.channels))
        self.shift, self.flip, self.contrast = config.shift, config.flip, config.contrast
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear(2 * channels, config.dim)

    @abstractmethod
    def read(self, images: torch.Tensor) -> torch.Tensor:
        """Images (batch, channels, height, width) to maps (batch, channels, places...)."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels, uint8 of shape (batch, height, width, channels), to features (batch, dim)."""
        images = ((pixels.to(self.scale.dtype) / 255.0 - self.location) / self.scale).movedim(3, 1)
        if self.training:
            images = self.vary(images)
        maps = self.read(images).flatten(2)
        pooled = torch.cat([maps.mean(dim=2), maps.amax(dim=2)], dim=1)
        return self.project(self.dropout(pooled))

    def vary(self, images: torch.Tensor) -> torch.Tensor:
        """Shift, mirror and change the contrast of each image by chance."""
        count = len(images)

        def chance(*shape: int) -> torch.Tensor:
            return torch.rand(count, *shape, device=images.device) * 2 - 1

        middle = images.mean(dim=(1, 2, 3), keepdim=True)
        images = middle + (images - middle) * (1 + self.contrast * chance(1, 1, 1))
        # Half of the images are mirrored; coordinates run from -1 to 1, so a share counts twice.
        across = torch.where(chance() > 0, 1.0, -1.0) if self.flip else torch.ones(count)
        moves = images.new_zeros(count, 2, 3)
        moves[:, 0, 0], moves[:, 1, 1] = across.to(images.device), 1.0
        moves[:, :, 2] = 2 * self.shift * chance(2)
        grid = functional.affine_grid(moves, list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


class ImageCnnModule(_ImageModule):
    """Convolutions, each of which halves the image."""

    def __init__(self, config: ImageCnnConfig) -> None:
        widths = [config.channels, *config.layers]
        super().__init__(config, widths[-1])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(_GROUPS, given) for given in widths[1:])

    def read(self, images: torch.Tensor) -> torch.Tensor:
        """Images to maps."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            images = functional.gelu(norm(convolution(images)))
            images = functional.max_pool2d(images, 2, ceil_mode=True)
        return images


class _Residual(nn.Module):  # type: ignore[misc]
    """A basic residual block (He et al., CVPR 2016) with GroupNorm."""

    def __init__(self, taken: int, given: int, stride: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(taken, given, 3, stride=stride, padding=1, bias=False),
                nn.Conv2d(given, given, 3, padding=1, bias=False),
            ]
        )
        self.norms = nn.ModuleList(nn.GroupNorm(_GROUPS, given) for _ in range(2))
        self.across = (
            nn.Conv2d(taken, given, 1, stride=stride) if taken != given or stride > 1 else None
        )

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps to maps, smaller by the stride."""
        hidden = functional.relu(self.norms[0](self.convolutions[0](maps)))
        hidden = self.norms[1](self.convolutions[1](hidden))
        return functional.relu(hidden + (maps if self.across is None else self.across(maps)))


class ImageResnetModule(_ImageModule):
    """A stem, then stages of residual blocks; every stage but the first halves the image."""

    def __init__(self, config: ImageResnetConfig) -> None:
        widths = [config.base * 2**stage for stage in range(len(config.blocks))]
        super().__init__(config, widths[-1])
        self.stem = nn.Conv2d(config.channels, widths[0], 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(_GROUPS, widths[0])
        blocks, taken = [], widths[0]
        for stage, (given, count) in enumerate(zip(widths, config.blocks, strict=True)):
            for block in range(count):
                blocks.append(_Residual(taken, given, 2 if stage and not block else 1))
                taken = given
        self.blocks = nn.Sequential(*blocks)

    def read(self, images: torch.Tensor) -> torch.Tensor:
        """Images to maps."""
        maps: torch.Tensor = self.blocks(functional.relu(self.norm(self.stem(images))))
        return maps


class ImageVitModule(_ImageModule):
    """Patches with a learned place each, read by a transformer encoder."""

    def __init__(self, config: ImageVitConfig) -> None:
        super().__init__(config, config.embedding)
        rows, columns = config.height // config.patch, config.width // config.patch
        self.patches = nn.Conv2d(config.channels, config.embedding, config.patch, config.patch)
        self.places = nn.Parameter(0.02 * torch.randn(1, rows * columns, config.embedding))
        layer = nn.TransformerEncoderLayer(
            config.embedding,
            config.heads,
            2 * config.embedding,
            config.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, config.depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(config.embedding)

    def read(self, images: torch.Tensor) -> torch.Tensor:
        """Images to (batch, channels, patches)."""
        patches = self.patches(images).flatten(2).transpose(1, 2)
        read: torch.Tensor = self.norm(self.encoder(patches + self.places))
        return read.transpose(1, 2)
