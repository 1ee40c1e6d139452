"""Video encoded by an image encoder on some of its frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from sensorium.errors import PayloadError
from sensorium.plugin import Arrays, FeatureSpec, Payload, PluginConfig, Samples, Weights
from sensorium_plugins._weights import from_module
from sensorium_plugins.modalities._clips import Clip, ClipLimits, decode_clip
from sensorium_plugins.modalities._image_cnn import ImageCnn, ImageCnnConfig
from sensorium_plugins.modalities._image_resnet import ImageResnet, ImageResnetConfig
from sensorium_plugins.modalities._image_vit import ImageVit, ImageVitConfig
from sensorium_plugins.modalities._torch_modality import TorchModality, scaling

if TYPE_CHECKING:
    import torch

__all__ = ["VideoFrames", "VideoFramesConfig"]


class VideoFramesConfig(PluginConfig):
    """Which frames are seen, and by which network.

    Parameters
    ----------
    frames
        How many frames of a set are seen, evenly spread over what was shown in its span.
    cnn, resnet, vit
        The network for each frame, with the options of ``image-cnn``, ``image-resnet`` or
        ``image-vit``, those of the pictures included; give one, or none for ``cnn`` as it is.
    output
        ``vector``: the mean over the frames; ``sequence``: a vector for every frame, for a fusion
        that takes them, as `transformer`; others average.
    rate
        Frames per second of arrays and lists of images; that of a file is in the file.
    max_frames
        Chunks of more frames are refused.
    """

    frames: int = Field(default=8, ge=1, le=256)
    cnn: ImageCnnConfig | None = None
    resnet: ImageResnetConfig | None = None
    vit: ImageVitConfig | None = None
    output: Literal["vector", "sequence"] = "vector"
    rate: float = Field(default=25.0, gt=0, le=1000)
    max_frames: int = Field(default=1000, ge=1, le=100_000)

    @property
    def image(self) -> ImageCnn | ImageResnet | ImageVit:
        """The modality of a frame, not loaded.

        Raises
        ------
        ValueError
            If several are given.
        """
        given = [it for it in (self.cnn, self.resnet, self.vit) if it is not None]
        if len(given) > 1:
            raise ValueError("give one of cnn, resnet and vit")
        if self.resnet is not None:
            return ImageResnet(self.resnet)
        if self.vit is not None:
            return ImageVit(self.vit)
        return ImageCnn(self.cnn or ImageCnnConfig())

    def model_post_init(self, context: Any) -> None:
        """Refuse several networks at once."""
        _ = self.image


class VideoFrames(TorchModality):
    """Frames sampled from MP4 or Matroska chunks, or from images, each read by an image encoder.

    All chunks of a set are one film, of which the frames in the set's span are looked at.
    """

    name: ClassVar[str] = "video-frames"
    Config: ClassVar[type[PluginConfig]] = VideoFramesConfig
    per: ClassVar[Literal["event", "set"]] = "set"
    prepare_at: ClassVar[Literal["ingest", "replica"]] = "ingest"
    requires: ClassVar[tuple[str, ...]] = ("torch", "av", "PIL")
    config: VideoFramesConfig

    def __init__(self, config: VideoFramesConfig) -> None:
        super().__init__(config)
        self._image = config.image
        image = self._image.config
        self._limits = ClipLimits(
            (image.height, image.width), image.channels, config.frames, config.rate,
            config.max_frames, image.max_pixels,
        )  # fmt: skip

    def decode(self, payload: Payload) -> Clip:
        """Read a chunk, and keep at most `frames` of its frames, resized.

        Raises
        ------
        PayloadError
            If it is no video that can be read, or larger than it may be.
        """
        return decode_clip(payload, self._limits, f"modality '{self.name}'")

    def duration(self, value: Clip) -> int:
        """As long as its frames are shown, in ns."""
        return value.duration

    def prepare(self, items: Sequence[Samples]) -> Arrays:
        """Choose the frames of each set.

        Returns
        -------
        dict
            ``pixels``: uint8 of shape (items, frames, height, width, channels), 0 after the last;
            ``mask``: bool of shape (items, frames).

        Raises
        ------
        PayloadError
            If an item has no frame in its span.
        """
        most, (height, width) = self.config.frames, self._limits.size
        pixels = np.zeros((len(items), most, height, width, self._limits.channels), np.uint8)
        mask = np.zeros((len(items), most), np.bool_)
        for row, item in enumerate(items):
            shown = [
                (time + offset, frame)
                for time, clip in zip(item.times.tolist(), item.values, strict=True)
                for offset, frame in zip(clip.offsets.tolist(), clip.frames, strict=True)
            ]
            if item.start < item.end:
                shown = [it for it in shown if item.start <= it[0] < item.end]
            if not shown:
                raise PayloadError("an item has no frame in the span of its set")
            chosen = [frame for _, frame in sorted(shown, key=lambda it: it[0])]
            if len(chosen) > most:
                chosen = [chosen[(2 * at + 1) * len(chosen) // (2 * most)] for at in range(most)]
            pixels[row, : len(chosen)] = chosen
            mask[row, : len(chosen)] = True
        return {"pixels": pixels, "mask": mask}

    @property
    def feature(self) -> FeatureSpec:
        """A vector of the image encoder's length, or one for every frame."""
        return FeatureSpec(self._image.feature.dim, self.config.output)

    def fit(self, arrays: Arrays) -> Weights:
        """Learn mean and deviation of each channel, of pixels from 0 to 1; the rest stays."""
        frames = arrays["pixels"][arrays["mask"]]
        some = frames[:: max(1, len(frames) // 2000)]
        learned = scaling(some.reshape(-1, some.shape[-1]) / 255.0)
        return from_module(self.module()) | {f"frame.{name}": it for name, it in learned.items()}

    def build(self) -> torch.nn.Module:
        """A fresh network."""
        from sensorium_plugins.modalities._video_module import VideoModule

        return VideoModule(self._image.build(), pooled=self.config.output == "vector")
