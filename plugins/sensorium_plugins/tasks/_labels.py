"""What the tasks with labels share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sensorium.plugin import Task

if TYPE_CHECKING:
    import torch

__all__ = [
    "LabelTask",
    "LabelWeight",
    "as_float64",
    "check_labels",
    "check_weights_of",
    "masked_mean",
    "quoted",
    "rows_with_target",
]

#: How much something counts in training.
LabelWeight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class LabelTask(Task):
    """A task with a score per label; its configuration has `labels`."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.labels: tuple[str, ...] = tuple(config.labels)

    @property
    def size(self) -> int:
        """The number of labels."""
        return len(self.labels)

    def weights(self, given: Mapping[str, float]) -> npt.NDArray[np.float64]:
        """What each label counts, in their order; those that are not given count 1."""
        return np.array([given.get(label, 1.0) for label in self.labels])


def check_labels(labels: list[str]) -> list[str]:
    """Refuse labels that are empty or named twice."""
    if any(not label for label in labels):
        raise ValueError("a label is empty; give every label a name")
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"{quoted(twice)} named twice; name each label once")
    return labels


def check_weights_of(option: str, weights: Mapping[str, float], labels: list[str]) -> None:
    """Refuse weights of what is not among the labels."""
    unknown = sorted(set(weights) - set(labels))
    if unknown:
        raise ValueError(f"{option} names {quoted(unknown)}, not among the labels {quoted(labels)}")


def quoted(labels: list[str], most: int = 8) -> str:
    """Write labels for a message: the first few of them, quoted."""
    shown = ", ".join(repr(label) for label in labels[:most])
    return shown if len(labels) <= most else f"{shown}, ... ({len(labels)} in all)"


def rows_with_target(targets: torch.Tensor) -> torch.Tensor:
    """Tell which rows have a target: bool of shape (batch,), False where any value is NaN."""
    return ~targets.isnan().any(dim=1)


def masked_mean(losses: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean of losses, both (batch,); 0, with a gradient of 0, where no row weighs."""
    total = weights.sum()
    return (losses * weights).sum() / total.clamp(min=1e-12)


def as_float64(logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Logits in the precision in which they are activated."""
    return np.asarray(logits, dtype=np.float64)
