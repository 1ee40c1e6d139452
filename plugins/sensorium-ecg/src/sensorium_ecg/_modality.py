"""The modality `ecg`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sensorium import (
    Arrays,
    Features,
    FeatureSpec,
    Modality,
    Payload,
    PayloadError,
    PluginConfig,
    Samples,
)
from sensorium_ecg._beats import find_beats
from sensorium_ecg._rhythm import RHYTHM, rhythm

__all__ = ["Ecg", "EcgConfig"]

_SECOND = 1_000_000_000
#: Beyond any amplifier, in any unit.
_LARGEST = 1e6


class EcgConfig(PluginConfig):
    """How the lead was sampled."""

    rate: float = Field(
        ge=50, le=10_000, allow_inf_nan=False, description="Samples per second, as 360."
    )
    max_seconds: float = Field(
        default=60.0, gt=0, allow_inf_nan=False, description="Longer chunks are refused."
    )


class Ecg(Modality):
    """One lead of an electrocardiogram, described by its heart rate and the variability of it.

    The chunks of a set are joined and clipped to its span; a gap is not bridged. The features are
    those of `RHYTHM`, then `height`, the median height of the R peaks over the median of the
    samples, in the unit of the samples, and `coverage`, the share of the span that has samples.
    """

    name: ClassVar[str] = "ecg"
    Config: ClassVar[type[PluginConfig]] = EcgConfig
    # A few numbers are cheaper to send than the samples.
    prepare_at: ClassVar[Literal["ingest", "replica"]] = "ingest"
    config: EcgConfig

    feature_names: ClassVar[tuple[str, ...]] = (*RHYTHM, "height", "coverage")

    def decode(self, payload: Payload) -> npt.NDArray[np.float32]:
        """Read a chunk: a list or an array of numbers, of shape (samples,) or (samples, 1).

        Raises
        ------
        PayloadError
            If it is something else, too long, or holds a number that is not finite.
        """
        data = payload.data
        if not isinstance(data, list | tuple | np.ndarray):
            raise PayloadError(f"a chunk is a list or an array, not {type(data).__name__}")
        try:
            samples = np.asarray(data)
        except ValueError:
            raise PayloadError("a chunk is a list of numbers; this one has lists in it") from None
        if samples.dtype.kind not in "iuf":
            raise PayloadError(f"a chunk holds numbers, not {samples.dtype}")
        if samples.ndim == 2 and samples.shape[1] == 1:
            samples = samples[:, 0]
        if samples.ndim != 1 or not len(samples):
            raise PayloadError(f"a chunk has shape (samples,), not {samples.shape}")
        if len(samples) > self.config.max_seconds * self.config.rate:
            raise PayloadError(
                f"a chunk of {len(samples)} samples is longer than max_seconds "
                f"({self.config.max_seconds:g} s)"
            )
        if not (np.abs(samples.astype(np.float64)) < _LARGEST).all():
            raise PayloadError(f"a chunk holds a number that is NaN or beyond {_LARGEST:g}")
        return samples.astype(np.float32)

    def duration(self, value: npt.NDArray[np.float32]) -> int:
        """Samples over rate, in ns."""
        return self._elapsed(len(value))

    def prepare(self, items: Sequence[Samples]) -> Arrays:
        """Describe each item: float32 of shape (items, 9).

        Raises
        ------
        PayloadError
            If an item has no sample within its span.
        """
        return {"rhythm": np.array([self._described(item) for item in items], np.float32)}

    @property
    def feature(self) -> FeatureSpec:
        """A vector, a column per name in `feature_names`."""
        return FeatureSpec(dim=len(self.feature_names))

    def encode(self, arrays: Arrays) -> Features:
        """Give the description as it is: a fusion standardises what it takes."""
        return Features(arrays["rhythm"])

    def _elapsed(self, samples: int) -> int:
        return round(samples * _SECOND / self.config.rate)

    def _described(self, item: Samples) -> npt.NDArray[np.float64]:
        pieces = self._pieces(item)
        found = [find_beats(piece, self.config.rate) for piece in pieces]
        heights = [piece[it] - np.median(piece) for piece, it in zip(pieces, found, strict=True)]
        tops = np.concatenate(heights)
        height = float(np.median(np.abs(tops))) if len(tops) else 0.0
        there = self._elapsed(sum(len(piece) for piece in pieces))
        span = item.end - item.start
        coverage = min(1.0, there / span) if span > 0 else 1.0
        return np.array([*rhythm(found, self.config.rate), height, coverage])

    def _pieces(self, item: Samples) -> list[npt.NDArray[Any]]:
        """The samples within the span, joined wherever the next chunk is due."""
        pieces: list[list[npt.NDArray[Any]]] = []
        due = 0
        for time, chunk in zip(item.times.tolist(), item.values, strict=True):
            first, last = 0, len(chunk)
            if item.end > item.start:
                first = max(0, round((item.start - time) * self.config.rate / _SECOND))
                last = min(last, round((item.end - time) * self.config.rate / _SECOND))
            if first >= last:
                continue
            begins = time + self._elapsed(first)
            if not pieces or abs(begins - due) > self._elapsed(1):
                pieces.append([])
            pieces[-1].append(chunk[first:last])
            due = time + self._elapsed(last)
        if not pieces:
            raise PayloadError("no sample lies within the set; is `rate` that of the chunks?")
        return [np.concatenate(piece) for piece in pieces]
