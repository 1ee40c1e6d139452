"""What the conformance checks are given, and how they complain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from sensorium.plugin import (
    Arrays,
    Features,
    FeatureSpec,
    Fusion,
    Modality,
    Payload,
    Samples,
    Task,
    TaskOutput,
    Weights,
)
from sensorium.stages import StreamEncoder
from sensorium.testing._run import decoded

__all__ = ["FusionSubject", "ModalitySubject", "NonconformanceError", "arrays_of", "check_config"]


class NonconformanceError(AssertionError):
    """A plugin does not do what its base class promises.

    Parameters
    ----------
    plugin
        The plugin's name.
    message
        What it does instead.
    """

    def __init__(self, plugin: str, message: str) -> None:
        self.plugin = plugin
        super().__init__(f"{plugin}: {message}")


@dataclass(frozen=True)
class ModalitySubject:
    """A modality to check.

    Parameters
    ----------
    plugin, config, weights
        The class, its configuration as in a pipeline file, and what it loads.
    payloads
        At least two that it can decode.
    """

    plugin: type[Modality]
    config: Mapping[str, Any]
    payloads: Sequence[Payload | Any]
    weights: Weights | None = None

    def make(self) -> Modality:
        """A fresh, loaded instance."""
        modality = self.plugin(self.plugin.Config.model_validate(dict(self.config)))
        modality.load("cpu", self.weights)
        return modality

    def items(self, modality: Modality) -> list[Samples]:
        """One item per payload."""
        return decoded(modality, self.payloads)

    def features(self, modality: Modality, items: Sequence[Samples]) -> Features:
        """All items in one call of `prepare` and `encode`."""
        return modality.encode(modality.prepare(items))

    def checked(self, modality: Modality) -> tuple[Arrays, Features]:
        """The same through the engine, which refuses what is not as declared."""
        encoder = StreamEncoder(modality, size=len(self.payloads))
        prepared = encoder.prepare(self.items(modality))
        self.refuse(prepared.failures[0].message if prepared.failures else "")
        arrays = prepared.parts[0][1]
        encoded = encoder.encode(arrays)
        self.refuse(encoded.failures[0].message if encoded.failures else "")
        return arrays, encoded.features

    def refuse(self, message: str) -> None:
        """Complain, unless the message is empty."""
        if message:
            raise NonconformanceError(self.plugin.name, message)


@dataclass(frozen=True)
class FusionSubject:
    """A fusion to check.

    Parameters
    ----------
    plugin, config, weights
        The class, its configuration as in a pipeline file, and what it loads.
    features
        Per stream, what it is to fuse.
    tasks
        What it is to predict.
    seed
        Of the features that it is given.
    """

    plugin: type[Fusion]
    config: Mapping[str, Any]
    features: Mapping[str, FeatureSpec]
    tasks: Mapping[str, Task]
    weights: Weights | None = None
    seed: int = 0
    steps: int = field(default=3, repr=False)
    """The length of sequences."""

    def make(self) -> Fusion:
        """A fresh, loaded instance."""
        config = self.plugin.Config.model_validate(dict(self.config))
        fusion = self.plugin(config, self.features, self.tasks)
        fusion.load("cpu", self.weights)
        return fusion

    def batch(self) -> tuple[dict[str, npt.NDArray[np.bool_]], dict[str, Features]]:
        """A row for every pattern of presence, with random features."""
        names = list(self.features)
        rows = 2 ** len(names)
        random = np.random.default_rng(self.seed)
        present, features = {}, {}
        for bit, name in enumerate(names):
            there = (np.arange(rows) >> bit & 1).astype(np.bool_)
            spec = self.features[name]
            shape = (rows, spec.dim) if spec.kind == "vector" else (rows, self.steps, spec.dim)
            data = random.standard_normal(shape).astype(spec.dtype)
            data[~there] = 0
            mask = None
            if spec.kind == "sequence":
                mask = np.repeat(there[:, None], self.steps, axis=1)
            present[name], features[name] = there, Features(data, mask)
        return present, features

    def refuse(self, message: str) -> None:
        """Complain, unless the message is empty."""
        if message:
            raise NonconformanceError(self.plugin.name, message)


def arrays_of(output: TaskOutput) -> list[npt.NDArray[Any]]:
    """The arrays that an output holds."""
    return [it for it in (output.scores, output.values, output.contribution) if it is not None]


def check_config(subject: ModalitySubject | FusionSubject) -> None:
    """Refuse a configuration that takes keys that it does not know."""
    wrong = {**subject.config, "no_such_option": 1}
    try:
        subject.plugin.Config.model_validate(wrong)
    except ValidationError:
        return
    subject.refuse("Config takes an unknown key without a word; base it on PluginConfig")
