"""A modality to check, and what it is tried with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.plugin import (
    Arrays,
    Features,
    Fittable,
    Modality,
    Payload,
    Samples,
    Trainable,
    Weights,
)
from sensorium.stages import StreamEncoder
from sensorium.testing._run import decoded
from sensorium.testing.conformance._report import Subject
from sensorium.testing.conformance._trials import microseconds

__all__ = ["ModalitySubject", "learned", "weights_of"]


@dataclass(frozen=True)
class ModalitySubject(Subject):
    """A modality to check.

    Parameters
    ----------
    plugin, config, weights
        The class, its configuration as in a pipeline file, and what it loads.
    payloads
        At least two that it can decode.

    Raises
    ------
    ValueError
        If there are fewer.
    """

    plugin: type[Modality]
    config: Mapping[str, Any]
    payloads: Sequence[Payload | Any]
    weights: Weights | None = None

    def __post_init__(self) -> None:
        if len(self.payloads) < 2:
            raise ValueError(
                "give at least two payloads: one cannot tell a batch from a single item"
            )

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.plugin.name

    def make(self) -> Modality:
        """A fresh, loaded instance."""
        modality = self.plugin(self.plugin.Config.model_validate(dict(self.config)))
        modality.load("cpu", self.weights)
        return modality

    def items(self, modality: Modality) -> list[Samples]:
        """One item per payload."""
        return decoded(modality, self.payloads)

    def joined(self, modality: Modality) -> Samples:
        """One item with the events of all payloads."""
        items = self.items(modality)
        return Samples(
            np.concatenate([item.times for item in items]),
            np.concatenate([item.durations for item in items]),
            [value for item in items for value in item.values],
            items[0].start,
            items[-1].end,
        )

    def features(self, modality: Modality, items: Sequence[Samples]) -> Features:
        """All items in one call of `prepare` and `encode`."""
        return modality.encode(modality.prepare(items))

    def checked(self, modality: Modality, items: Sequence[Samples]) -> Features:
        """The same through the engine, which refuses what is not as declared."""
        encoder = StreamEncoder(modality, size=len(items))
        prepared = encoder.prepare(items)
        encoded = [encoder.encode(arrays) for _, arrays in prepared.parts]
        for failure in [*prepared.failures, *(it for one in encoded for it in one.failures)]:
            self.refuse(failure.message)
        return encoded[0].features

    def prepared(self, modality: Modality) -> Arrays:
        """All items as arrays."""
        return modality.prepare(self.items(modality))

    def figures(self) -> Mapping[str, float]:
        """What decoding, preparing and encoding cost, alone and in a batch of 64."""
        modality = self.make()
        items = self.items(modality)
        count = len(items)
        batch = [items[row % count] for row in range(64)]
        one, many = modality.prepare(items[:1]), modality.prepare(batch)
        return {
            "decode": microseconds(lambda: self.items(modality), count),
            "prepare 1": microseconds(lambda: modality.prepare(items[:1]), 1),
            "prepare 64": microseconds(lambda: modality.prepare(batch), 64),
            "encode 1": microseconds(lambda: modality.encode(one), 1),
            "encode 64": microseconds(lambda: modality.encode(many), 64),
        }


def weights_of(plugin: object) -> Weights | None:
    """The weights of a loaded modality or fusion that trains by gradient; else None."""
    if not isinstance(plugin, Trainable):
        return None
    state = plugin.module().state_dict()
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in state.items()}


def learned(modality: Modality, arrays: Arrays) -> Weights | None:
    """Weights that a modality has, or learns from arrays; None if it does neither."""
    weights = weights_of(modality)
    if weights is None and isinstance(modality, Fittable):
        return modality.fit(arrays)
    return weights
