"""Sensor readings encoded by a small convolutional network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from sensorium.durations import DurationField, format_duration
from sensorium.errors import PayloadError
from sensorium.plugin import (
    Arrays,
    Features,
    FeatureSpec,
    Modality,
    Payload,
    PluginConfig,
    Samples,
    Weights,
)
from sensorium_plugins._extras import import_torch, to_device
from sensorium_plugins._weights import check_weights, from_module, shapes_of, to_module
from sensorium_plugins.modalities._sampling import SampleClock
from sensorium_plugins.modalities._sensor import SensorConfig, clip, decode_readings

if TYPE_CHECKING:
    import torch

__all__ = ["SensorCnn", "SensorCnnConfig"]


class SensorCnnConfig(SensorConfig):
    """The sensor and the size of the network.

    Parameters
    ----------
    length
        How much of a set's span is seen, as a duration; usually the size of the window. Of a
        longer span the end is seen.
    dim
        The length of the feature.
    width
        The channels of the first convolution.
    dropout
        The share of activations that training drops.
    """

    length: DurationField = 2_000_000_000
    dim: int = Field(default=64, ge=1)
    width: int = Field(default=32, ge=4, multiple_of=4)
    dropout: float = Field(default=0.3, ge=0, lt=1)

    @model_validator(mode="after")
    def _length_in_samples(self) -> SensorCnnConfig:
        samples = self.length * self.rate / 1e9
        if not 8 <= samples <= 1e6:
            raise ValueError(
                f"length {format_duration(self.length)} at rate {self.rate:g} Hz is {samples:g} "
                f"samples; make it 8 to 1000000 samples long"
            )
        return self


class SensorCnn(Modality):
    """A small 1-D convolutional network over a fixed grid of samples.

    The grid begins with the set's span, or, where that is an instant, with the first sample.
    What is missing is zero after standardisation, and a mask tells it from a reading.
    """

    name: ClassVar[str] = "sensor-cnn"
    Config: ClassVar[type[PluginConfig]] = SensorCnnConfig
    per: ClassVar[Literal["event", "set"]] = "set"
    prepare_at: ClassVar[Literal["ingest", "replica"]] = "ingest"
    requires: ClassVar[tuple[str, ...]] = ("torch",)
    config: SensorCnnConfig

    def __init__(self, config: SensorCnnConfig) -> None:
        super().__init__(config)
        self._clock = SampleClock(config.rate)
        self._span = int(config.length)
        self._length = self._clock.nearest(self._span)
        self._device = "cpu"
        self._module: Any = None

    def decode(self, payload: Payload) -> npt.NDArray[Any]:
        """Read a chunk of shape (samples, channels), as `sensor-stats` does.

        Raises
        ------
        PayloadError
            If it has another shape, or numbers that are not finite.
        """
        return decode_readings(payload, self.config.channels)

    def duration(self, value: npt.NDArray[Any]) -> int:
        """Samples over rate, in ns."""
        return self._clock.elapsed(len(value))

    def prepare(self, items: Sequence[Samples]) -> Arrays:
        """Put every sample at its nearest place in the grid; the later wins where two meet.

        Returns
        -------
        dict
            ``signal``: float32 of shape (items, length, channels), 0 where nothing is;
            ``mask``: bool of shape (items, length).

        Raises
        ------
        PayloadError
            If an item has no sample in the grid.
        """
        signal = np.zeros((len(items), self._length, self.config.channels), dtype=np.float32)
        mask = np.zeros((len(items), self._length), dtype=np.bool_)
        for row, item in enumerate(items):
            pieces = clip(item, self._clock)
            beside: tuple[int, npt.NDArray[Any]] | None = None
            anchor = pieces[0][0]
            if item.start < item.end:
                anchor = max(item.start, item.end - self._span)
            for time, samples in pieces:
                at = self._clock.nearest(time - anchor)
                first, stop = max(0, -at), min(len(samples), self._length - at)
                if first < stop:
                    signal[row, at + first : at + stop] = samples[first:stop]
                    mask[row, at + first : at + stop] = True
                elif at == self._length:
                    beside = self._length - 1, samples[0]
                elif at + len(samples) == 0:
                    beside = 0, samples[-1]
            if beside is not None and not mask[row].any():
                # The only sample comes in the span's last half period, or still holds at its
                # start: its nearest place is one beside the grid.
                signal[row, beside[0]], mask[row, beside[0]] = beside[1], True
        if not mask.any(axis=1).all():
            raise PayloadError(
                f"an item has no sample in the last {format_duration(self._span)} of its set; "
                f"make the stream's `length` the size of the window"
            )
        return {"signal": signal, "mask": mask}

    @property
    def feature(self) -> FeatureSpec:
        """A vector of `dim` numbers."""
        return FeatureSpec(dim=self.config.dim)

    def load(self, device: str, weights: Weights | None) -> None:
        """Build the network; without weights, the same fresh one every time.

        Raises
        ------
        MissingExtraError
            If torch is not installed.
        PluginError
            If there is no such device, or the weights are not those of a `sensor-cnn` of this
            configuration.
        """
        torch = import_torch("modality 'sensor-cnn'")
        from sensorium_plugins.modalities._sensor_cnn_module import SensorCnnModule

        config = self.config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = SensorCnnModule(config.channels, config.width, config.dim, config.dropout)
        if weights is not None:
            check_weights("modality 'sensor-cnn'", weights, shapes_of(module))
            to_module(module, weights)
        self._device = device
        self._module = to_device(module, device, "modality 'sensor-cnn'").eval()

    def module(self) -> torch.nn.Module:
        """The live network; takes ``signal`` and ``mask``, gives features (batch, dim)."""
        if self._module is None:
            self.load(self._device, None)
        return self._module

    def fit(self, arrays: Arrays) -> Weights:
        """Learn the mean and deviation of each channel; the rest of the weights stay."""
        readings = np.asarray(arrays["signal"][arrays["mask"]], dtype=np.float64)
        deviation = readings.std(axis=0)
        weights = from_module(self.module())
        weights["location"] = readings.mean(axis=0).astype(np.float32)
        weights["scale"] = np.where(deviation > 1e-9, deviation, 1.0).astype(np.float32)
        return weights

    def encode(self, arrays: Arrays) -> Features:
        """Run the network: arrays of `prepare` to vectors, float32 of shape (items, dim)."""
        torch = import_torch("modality 'sensor-cnn'")
        module = self.module()
        with torch.inference_mode():
            # Copied: torch takes no read-only arrays.
            signal = torch.tensor(arrays["signal"], device=self._device)
            mask = torch.tensor(arrays["mask"], device=self._device)
            return Features(module(signal, mask).cpu().numpy())
