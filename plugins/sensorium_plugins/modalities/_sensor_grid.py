"""Sensor readings on a fixed grid of samples, for the networks that read one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from sensorium.durations import DurationField, format_duration
from sensorium.errors import PayloadError
from sensorium.plugin import Arrays, Payload, Samples, Weights
from sensorium_plugins.modalities._sampling import SampleClock
from sensorium_plugins.modalities._sensor import SensorConfig, clip, decode_readings, decode_stack
from sensorium_plugins.modalities._sensor_runs import runs_of
from sensorium_plugins.modalities._torch_modality import TorchModality

__all__ = ["GridConfig", "GridModality"]


class GridConfig(SensorConfig):
    """The sensor and the grid.

    Parameters
    ----------
    length
        How much of a set's span is seen, as a duration; usually the size of the window. Of a
        longer span the end is seen.
    bridge
        Places of the grid without a reading lie on the straight line between their neighbours
        where these are at most this far apart, as a duration; 0 leaves all of them masked. It
        brings readings of irregular times, or of a lower rate, to the grid's rate.
    """

    length: DurationField = 2_000_000_000
    bridge: DurationField = 0

    @model_validator(mode="after")
    def _length_in_samples(self) -> GridConfig:
        samples = self.length * self.rate / 1e9
        if not 8 <= samples <= 1e6:
            raise ValueError(
                f"length {format_duration(self.length)} at rate {self.rate:g} Hz is {samples:g} "
                f"samples; make it 8 to 1000000 samples long"
            )
        if not 0 <= self.bridge <= self.length:
            raise ValueError(f"bridge is not within 0 and length {format_duration(self.length)}")
        return self


class GridModality(TorchModality):
    """Puts the readings of a set on a grid.

    The grid begins with the set's span, or, where that is an instant, with the first sample.
    What is missing is zero after standardisation, and a mask tells it from a reading.
    """

    per: ClassVar[Literal["event", "set"]] = "set"
    prepare_at: ClassVar[Literal["ingest", "replica"]] = "ingest"
    config: Any

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._clock = SampleClock(config.rate)
        self._span = int(config.length)
        self._length = self._clock.nearest(self._span)

    def decode(self, payload: Payload) -> npt.NDArray[Any]:
        """Read a chunk of shape (samples, channels), as `sensor-stats` does.

        Raises
        ------
        PayloadError
            If it has another shape, or numbers that are not finite.
        """
        return decode_readings(payload, self.config.channels)

    def decode_stack(self, arrays: npt.NDArray[Any]) -> Sequence[npt.NDArray[Any]] | None:
        """Read many chunks of one shape; see `decode`."""
        return decode_stack(arrays, self.config.channels)

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
        shape = len(items), self._length
        signal = np.zeros((*shape, self.config.channels), dtype=np.float32)
        mask = np.zeros(shape, dtype=np.bool_)
        chunks = [chunk for item in items for chunk in item.values]
        runs = runs_of(items, chunks, self._clock, self._span, self._length) if chunks else None
        if runs is not None:
            runs.put(chunks, signal, mask)
        for row in np.flatnonzero(~mask.any(axis=1)).tolist():
            for at, samples in self._placed(items[row]):
                signal[row, at : at + len(samples)] = samples
                mask[row, at : at + len(samples)] = True
        if not mask.any(axis=1).all():
            raise PayloadError(
                f"an item has no sample in the last {format_duration(self._span)} of its set; "
                f"make the stream's `length` the size of the window"
            )
        if self.config.bridge:
            for row in range(len(items)):
                self._bridge(signal[row], mask[row])
        return {"signal": signal, "mask": mask}

    def _placed(self, item: Samples) -> list[tuple[int, npt.NDArray[Any]]]:
        """The runs of samples of an item, each with the place in the grid where it begins."""
        pieces = clip(item, self._clock)
        placed: list[tuple[int, npt.NDArray[Any]]] = []
        beside: list[tuple[int, npt.NDArray[Any]]] = []
        anchor = pieces[0][0]
        if item.start < item.end:
            anchor = max(item.start, item.end - self._span)
        for time, samples in pieces:
            at = self._clock.nearest(time - anchor)
            first, stop = max(0, -at), min(len(samples), self._length - at)
            if first < stop:
                placed.append((at + first, samples[first:stop]))
            elif at == self._length:
                beside = [(self._length - 1, samples[:1])]
            elif at + len(samples) == 0:
                beside = [(0, samples[-1:])]
        # Where the only sample comes in the span's last half period, or still holds at its start,
        # its nearest place is one beside the grid.
        return placed or beside

    def _bridge(self, signal: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> None:
        """Fill places between readings that are near enough to each other."""
        known = np.flatnonzero(mask)
        if len(known) < 2:
            return
        missing = np.flatnonzero(~mask)
        after = np.searchsorted(known, missing)
        inside = (after > 0) & (after < len(known))
        missing, after = missing[inside], after[inside]
        near = known[after] - known[after - 1] <= self._clock.nearest(int(self.config.bridge))
        missing = missing[near]
        for channel in range(signal.shape[1]):
            signal[missing, channel] = np.interp(missing, known, signal[known, channel])
        mask[missing] = True

    def fit(self, arrays: Arrays) -> Weights:
        """Learn the mean and deviation of each channel; the rest of the weights stay."""
        return self._with_scaling(arrays["signal"][arrays["mask"]])
