"""Multi-label: any number of labels at once."""

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

__all__ = ["MultiLabel", "MultiLabelConfig"]


class MultiLabelConfig(PluginConfig):
    """The labels, and when one is taken.

    Parameters
    ----------
    labels
        The labels, one or more, each once; their order is that of the scores.
    threshold
        A label is taken when its probability is at least this.
    positive_weights
        How much an example with a label counts for it in training, an example without it counting
        1; labels that are not named count 1. For labels that are rare.
    """

    labels: Annotated[list[str], Field(min_length=1), AfterValidator(check_labels)]
    threshold: float = Field(default=0.5, gt=0, lt=1)
    positive_weights: dict[str, LabelWeight] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _weights_name_labels(self) -> MultiLabelConfig:
        check_weights_of("positive_weights", self.positive_weights, self.labels)
        return self


class MultiLabel(LabelTask):
    """Any number of labels at once; each score is a sigmoid of its own logit."""

    name: ClassVar[str] = "multi-label"
    Config: ClassVar[type[PluginConfig]] = MultiLabelConfig
    config: MultiLabelConfig

    def __init__(self, config: MultiLabelConfig) -> None:
        super().__init__(config)
        #: float64 of shape (labels,): what an example with each label counts for it.
        self.positive_weights = self.weights(config.positive_weights)

    def activate(self, logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Sigmoid of every logit; float32, whatever the size of the logits."""
        exact = as_float64(logits)
        # exp of a negative number only, so that nothing overflows.
        power = np.exp(-np.abs(exact))
        scores: npt.NDArray[np.float64] = np.where(exact >= 0, 1.0, power) / (1.0 + power)
        return scores.astype(np.float32)

    def result(self, activated: npt.NDArray[Any]) -> TaskResult:
        """Give the labels at or above the threshold, and every label's probability."""
        scores: dict[str, float] = dict(zip(self.labels, activated.tolist(), strict=True))
        taken = tuple(name for name, score in scores.items() if score >= self.config.threshold)
        return TaskResult(labels=taken, scores=scores)

    def target(self, value: Any) -> npt.NDArray[np.float64]:
        """Row of 0 and 1 of a list of labels, which may be empty.

        Raises
        ------
        PayloadError
            If `value` is not a list, or holds something that is not one of the labels.
        """
        if not isinstance(value, list | tuple | set | frozenset):
            raise PayloadError(
                f"the target of a multi-label task is a list of labels, not {type(value).__name__}"
            )
        row = np.zeros(self.size)
        for label in value:
            if label not in self.labels:
                raise PayloadError(
                    f"the target holds something that is none of the task's labels "
                    f"{quoted(list(self.labels))}; add it to `labels`, or correct the target stream"
                )
            row[self.labels.index(label)] = 1.0
        return row

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean binary cross-entropy over the labels of the rows that have a target."""
        torch = import_torch(f"training task type '{self.name}'")
        known = rows_with_target(targets)
        targets = torch.where(known[:, None], targets, torch.zeros_like(targets)).to(logits.dtype)
        positive = torch.as_tensor(self.positive_weights, dtype=logits.dtype, device=logits.device)
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, targets, reduction="none", pos_weight=positive
        ).mean(dim=1)
        return masked_mean(losses, known.to(logits.dtype))
