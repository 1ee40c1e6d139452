"""What the tasks with labels share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

__all__ = ["check_labels", "masked_mean", "quoted", "rows_with_target"]


def check_labels(labels: list[str]) -> list[str]:
    """Refuse labels that are empty or named twice."""
    if any(not label for label in labels):
        raise ValueError("a label is empty; give every label a name")
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"{quoted(twice)} named twice; name each label once")
    return labels


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
