"""Sound as a mel spectrogram or cepstrum, read by a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from sensorium.durations import DurationField, format_duration
from sensorium.errors import PayloadError
from sensorium.plugin import Arrays, FeatureSpec, Payload, PluginConfig, Samples, Weights
from sensorium_plugins._extras import import_audio
from sensorium_plugins.modalities._sequence_config import SequenceConfig
from sensorium_plugins.modalities._sound import Sound, decode_sound, join_sounds
from sensorium_plugins.modalities._torch_modality import TorchModality

if TYPE_CHECKING:
    import torch

__all__ = ["AudioMel", "AudioMelConfig"]

#: The power below which a band counts as silent: -100 dB of a full-scale tone.
_SILENCE = 1e-10


class AudioMelConfig(SequenceConfig):
    """The sound, its spectrum, and the network.

    Parameters
    ----------
    rate
        Samples per second that everything is resampled to.
    input_rate
        Samples per second of raw samples; that of a file is in the file. `rate` if not given.
    length
        How much of a set's span is heard, as a duration; usually the size of the window.
    max_seconds
        Longer chunks are refused before they are decoded.
    window, hop
        The length of a frame, and the time from one to the next, as durations.
    spectrum
        ``log-mel``: the logarithm of the power in each mel band; ``mfcc``: its cepstrum.
    bands
        The number of mel bands.
    coefficients
        The number of cepstral coefficients of ``mfcc``.
    reader
        ``cnn``, ``gru`` or ``lstm``.
    """

    rate: int = Field(default=16_000, ge=1000, le=192_000)
    input_rate: int | None = Field(default=None, ge=1, le=1_000_000)
    length: DurationField = 1_000_000_000
    max_seconds: float = Field(default=60.0, gt=0, le=3600)
    window: DurationField = 25_000_000
    hop: DurationField = 10_000_000
    spectrum: Literal["log-mel", "mfcc"] = "log-mel"
    bands: int = Field(default=40, ge=4, le=256)
    coefficients: int = Field(default=13, ge=2)
    reader: Literal["cnn", "gru", "lstm"] = "cnn"
    width: int = Field(default=64, ge=4, le=4096, multiple_of=4)

    @model_validator(mode="after")
    def _fits(self) -> AudioMelConfig:
        if not self.window <= self.length <= 600_000_000_000:
            raise ValueError(
                f"length {format_duration(self.length)} is not within the window "
                f"{format_duration(self.window)} and 10 minutes"
            )
        if self.window * self.rate < 16e9 or not self.hop * self.rate >= 1e9:
            raise ValueError(f"window and hop hold too few samples at rate {self.rate} Hz")
        if self.coefficients > self.bands:
            raise ValueError(f"coefficients {self.coefficients} is more than bands {self.bands}")
        if self.reader == "cnn" and self.output == "sequence":
            raise ValueError("the reader cnn gives a vector only; use gru or lstm for a sequence")
        return self


class AudioMel(TorchModality):
    """Chunks of sound joined per set and resampled, as mel bands over time, read by a network.

    Chunks are WAV, FLAC or raw samples. Frames of which less than half is there are masked.
    """

    name: ClassVar[str] = "audio-mel"
    Config: ClassVar[type[PluginConfig]] = AudioMelConfig
    per: ClassVar[Literal["event", "set"]] = "set"
    prepare_at: ClassVar[Literal["ingest", "replica"]] = "ingest"
    requires: ClassVar[tuple[str, ...]] = ("torch", "librosa", "soundfile", "soxr")
    config: AudioMelConfig

    def __init__(self, config: AudioMelConfig) -> None:
        super().__init__(config)
        self._window, self._hop, self._length = (
            round(span * config.rate / 1e9) for span in (config.window, config.hop, config.length)
        )

    def decode(self, payload: Payload) -> Sound:
        """Read a WAV or FLAC file or raw samples; several channels become their mean.

        Raises
        ------
        PayloadError
            If it is none of these, is damaged, empty, or longer than `max_seconds`.
        """
        config = self.config
        rate = config.input_rate or config.rate
        return decode_sound(payload, rate, config.max_seconds, f"modality '{self.name}'")

    def duration(self, value: Sound) -> int:
        """Samples over rate, in ns."""
        return len(value.samples) * 1_000_000_000 // value.rate

    def prepare(self, items: Sequence[Samples]) -> Arrays:
        """Join the chunks, and compute the spectrum.

        Returns
        -------
        dict
            ``signal``: float32 of shape (items, frames, bands or coefficients), 0 where nothing is;
            ``mask``: bool of shape (items, frames).

        Raises
        ------
        PayloadError
            If an item has no frame.
        """
        named = f"modality '{self.name}'"
        samples, there = [], []
        for item in items:
            one, known = join_sounds(item, self.config.rate, self._length, named)
            samples.append(one)
            there.append(known)
        frames = np.lib.stride_tricks.sliding_window_view(np.stack(there), self._window, axis=1)
        mask = frames[:, :: self._hop].mean(axis=2) >= 0.5
        if not mask.any(axis=1).all():
            raise PayloadError(
                f"an item has no frame of {format_duration(self.config.window)} with sound; "
                f"send longer chunks, or make the stream's `length` the size of the window"
            )
        signal = self._spectrum(np.stack(samples))
        return {"signal": np.where(mask[..., None], signal, np.float32(0)), "mask": mask}

    def _spectrum(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(items, samples) to (items, frames, bands or coefficients)."""
        librosa = import_audio("librosa", f"modality '{self.name}'")
        config = self.config
        power = librosa.feature.melspectrogram(
            y=samples,
            sr=config.rate,
            n_fft=self._window,
            hop_length=self._hop,
            n_mels=config.bands,
            center=False,
        )
        found = np.log(np.maximum(power, _SILENCE))
        if config.spectrum == "mfcc":
            found = librosa.feature.mfcc(S=found, n_mfcc=config.coefficients)
        return np.ascontiguousarray(found.swapaxes(1, 2), dtype=np.float32)

    @property
    def feature(self) -> FeatureSpec:
        """A vector of `dim` numbers, or one for every frame."""
        return self.config.feature

    def build(self) -> torch.nn.Module:
        """A fresh network."""
        from sensorium_plugins.modalities._sensor_cnn_module import SensorCnnModule
        from sensorium_plugins.modalities._sequence_module import SignalModule

        config = self.config
        channels = config.bands if config.spectrum == "log-mel" else config.coefficients
        if config.reader == "cnn":
            return SensorCnnModule(channels, config.width, config.dim, config.dropout)
        return SignalModule(channels, config.reader, config)

    def fit(self, arrays: Arrays) -> Weights:
        """Learn the mean and deviation of each band; the rest of the weights stay."""
        return self._with_scaling(arrays["signal"][arrays["mask"]])
