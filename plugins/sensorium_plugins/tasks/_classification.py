"""Classification: one label out of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field, model_validator

from sensorium.errors import PayloadError
from sensorium.events import TaskResult
from sensorium.plugin import PluginConfig
from sensorium_plugins._extras import import_torch
from sensorium_plugins.tasks._labels import (
    LabelTask,
    LabelWeight,
    as_float64,
    check_labels,
    check_weights_of,
    masked_mean,
    quoted,
    rows_with_target,
)

if TYPE_CHECKING:
    import torch

__all__ = ["Classification", "ClassificationConfig"]


class ClassificationConfig(PluginConfig):
    """The labels, and how much each counts in training.

    Parameters
    ----------
    labels
        The labels, two or more, each once; their order is that of the scores.
    class_weights
        How much an example of a label counts in training; labels that are not named count 1.
    """

    labels: Annotated[list[str], Field(min_length=2), AfterValidator(check_labels)]
    class_weights: dict[str, LabelWeight] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _weights_name_labels(self) -> ClassificationConfig:
        check_weights_of("class_weights", self.class_weights, self.labels)
        return self


class Classification(LabelTask):
    """One label out of several; scores are a softmax over the logits and sum to 1."""

    name: ClassVar[str] = "classification"
    Config: ClassVar[type[PluginConfig]] = ClassificationConfig
    config: ClassificationConfig

    def __init__(self, config: ClassificationConfig) -> None:
        super().__init__(config)
        #: float64 of shape (labels,): what an example of each label counts in training.
        self.class_weights = self.weights(config.class_weights)

    def activate(self, logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Softmax over the last axis; float32, whatever the size of the logits."""
        exact = as_float64(logits)
        powers = np.exp(exact - exact.max(axis=-1, keepdims=True))
        scores: npt.NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
        return scores.astype(np.float32)

    def result(self, activated: npt.NDArray[Any]) -> TaskResult:
        """Give the most probable label (the first of equals) and every label's probability."""
        found: list[float] = activated.tolist()
        score = max(found)
        label = self.labels[found.index(score)]
        return TaskResult(label, score, dict(zip(self.labels, found, strict=True)))

    def target(self, value: Any) -> npt.NDArray[np.float64]:
        """One-hot row of a label.

        Raises
        ------
        PayloadError
            If `value` is not one of the labels.
        """
        if not isinstance(value, str):
            raise PayloadError(
                f"the target of a classification is a label as text, not {type(value).__name__}"
            )
        if value not in self.labels:
            raise PayloadError(
                f"the target is none of the task's labels {quoted(list(self.labels))}; "
                f"add it to `labels`, or correct the target stream"
            )
        row = np.zeros(self.size)
        row[self.labels.index(value)] = 1.0
        return row

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy over the rows that have a target, weighted by `class_weights`."""
        torch = import_torch(f"training task type '{self.name}'")
        known = rows_with_target(targets)
        targets = torch.where(known[:, None], targets, torch.zeros_like(targets)).to(logits.dtype)
        weights = targets @ torch.as_tensor(
            self.class_weights, dtype=logits.dtype, device=logits.device
        )
        losses = -(targets * torch.log_softmax(logits, dim=1)).sum(dim=1)
        # A row weighs its class; its loss is divided by the sum, so that the scale stays the same.
        return masked_mean(losses, weights)
