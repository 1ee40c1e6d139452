"""Sensor readings described by the statistics of a window; no training, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from sensorium.plugin import Arrays, Features, FeatureSpec, Modality, Payload, PluginConfig, Samples
from sensorium_plugins.modalities._sampling import SampleClock
from sensorium_plugins.modalities._sensor import SensorConfig, clip, decode_readings, decode_stack
from sensorium_plugins.modalities._statistics import statistic_names, statistics

__all__ = ["SensorStats", "SensorStatsConfig"]


class SensorStatsConfig(SensorConfig):
    """The sensor: its channels and its rate."""


class SensorStats(Modality):
    """Statistics of all samples that a stream has in a set.

    The samples of all chunks are joined in the order of time and clipped to the span of the set; a
    gap is not filled, and the samples beside it are no neighbours. `feature_names` says what the
    columns are; the last two are `coverage`, the samples there as a share of those that the span
    has room for (1 where the span is an instant), and `seconds`, how long the samples there last.
    """

    name: ClassVar[str] = "sensor-stats"
    Config: ClassVar[type[PluginConfig]] = SensorStatsConfig
    per: ClassVar[Literal["event", "set"]] = "set"
    prepare_at: ClassVar[Literal["ingest", "replica"]] = "ingest"
    requires: ClassVar[tuple[str, ...]] = ()
    config: SensorStatsConfig

    def __init__(self, config: SensorStatsConfig) -> None:
        super().__init__(config)
        self._clock = SampleClock(config.rate)
        #: The names of the feature's columns.
        self.feature_names = (*statistic_names(config.channels), "coverage", "seconds")

    def decode(self, payload: Payload) -> npt.NDArray[Any]:
        """Read a chunk of shape (samples, channels); see the sensor's documentation for forms.

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
        """Compute the statistics.

        Returns
        -------
        dict
            ``stats``: float32 of shape (items, columns).

        Raises
        ------
        PayloadError
            If an item has no sample within its span.
        """
        rows = np.empty((len(items), len(self.feature_names)))
        alike: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        joined = []
        for index, item in enumerate(items):
            samples, gaps = self._join(item)
            joined.append(samples)
            alike.setdefault((len(samples), gaps), []).append(index)
        for (_, gaps), indices in alike.items():
            stacked = np.array([joined[index] for index in indices], dtype=np.float64)
            windows = np.ascontiguousarray(stacked.transpose(0, 2, 1))
            rows[indices, :-2] = statistics(windows, gaps)
        rows[:, -2] = [
            self._coverage(item, len(samples)) for item, samples in zip(items, joined, strict=True)
        ]
        rows[:, -1] = [len(samples) / self.config.rate for samples in joined]
        return {"stats": rows.astype(np.float32)}

    def _join(self, item: Samples) -> tuple[npt.NDArray[Any], tuple[int, ...]]:
        """All samples in the order of time, and those before which at least one is missing."""
        pieces = clip(item, self._clock)
        if len(pieces) == 1:
            return pieces[0][1], ()
        gaps, count, due = [], 0, pieces[0][0]
        for time, samples in pieces:
            if self._clock.nearest(time - due) > 0:
                gaps.append(count)
            count += len(samples)
            due = time + self._clock.elapsed(len(samples))
        return np.concatenate([samples for _, samples in pieces]), tuple(gaps)

    def _coverage(self, item: Samples, samples: int) -> float:
        room = self._clock.first_from(item.end - item.start)
        return min(1.0, samples / room) if room > 0 else 1.0

    @property
    def feature(self) -> FeatureSpec:
        """A vector with a number per name in `feature_names`."""
        return FeatureSpec(dim=len(self.feature_names))

    def encode(self, arrays: Arrays) -> Features:
        """Give the statistics as they are: a fusion standardises what it takes."""
        return Features(arrays["stats"])
