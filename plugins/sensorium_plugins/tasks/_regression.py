"""Regression: one number, or several."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field, model_validator

from sensorium.errors import PayloadError
from sensorium.events import TaskResult
from sensorium.plugin import PluginConfig, Task
from sensorium_plugins._extras import import_torch
from sensorium_plugins.tasks._labels import as_float64, check_labels, masked_mean, rows_with_target

if TYPE_CHECKING:
    import torch

__all__ = ["Regression", "RegressionConfig"]


class RegressionConfig(PluginConfig):
    """How many values there are, and what they are called.

    Parameters
    ----------
    size
        How many values are predicted; one where neither it nor `names` is given.
    names
        Their names, instead of `size`; a target may then be a mapping of names to numbers.
    scale
        A typical spread of the targets, in their own units. Training by gradient measures the
        error in it, so that the tasks of a pipeline weigh alike; predictions do not depend on it.
    """

    size: int | None = Field(default=None, ge=1)
    names: Annotated[list[str], AfterValidator(check_labels)] = Field(default_factory=list)
    scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _size_or_names(self) -> RegressionConfig:
        if self.names and self.size not in (None, len(self.names)):
            raise ValueError(
                f"size is {self.size} but there are {len(self.names)} names; drop size"
            )
        return self


class Regression(Task):
    """Numbers in the user's own units.

    Nothing is standardised here: a fusion keeps the location and scale of the targets that it was
    trained on with its head, and gives raw outputs in the targets' units.
    """

    name: ClassVar[str] = "regression"
    Config: ClassVar[type[PluginConfig]] = RegressionConfig
    config: RegressionConfig

    def __init__(self, config: RegressionConfig) -> None:
        super().__init__(config)
        self.names = tuple(config.names)

    @property
    def size(self) -> int:
        """The number of values."""
        return len(self.names) or self.config.size or 1

    def activate(self, logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Give the raw outputs themselves, as float32."""
        return as_float64(logits).astype(np.float32)

    def result(self, activated: npt.NDArray[Any]) -> TaskResult:
        """Give the values."""
        return TaskResult(values=tuple(activated.tolist()))

    def target(self, value: Any) -> npt.NDArray[np.float64]:
        """Row of a number, of a list of `size` numbers, or of a mapping of the names to numbers.

        Raises
        ------
        PayloadError
            If `value` is none of these, or a number is not finite.
        """
        if isinstance(value, Mapping):
            if set(value) != set(self.names):
                raise PayloadError(
                    f"the target is a mapping, which must have the keys {list(self.names)} "
                    f"(`names` of the task)"
                )
            value = [value[name] for name in self.names]
        numbers = value if isinstance(value, list | tuple | np.ndarray) else [value]
        if len(numbers) != self.size:
            raise PayloadError(f"the target has {len(numbers)} values, the task {self.size}")
        for number in numbers:
            if isinstance(number, bool) or not isinstance(
                number, int | float | np.integer | np.floating
            ):
                raise PayloadError(
                    f"the target of a regression is a number, not {type(number).__name__}"
                )
            if not math.isfinite(number):
                raise PayloadError("the target of a regression is not finite")
        return np.array(numbers, dtype=np.float64)

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean squared error, in units of `scale`, over the rows that have a target."""
        torch = import_torch(f"training task type '{self.name}'")
        known = rows_with_target(targets)
        targets = torch.where(known[:, None], targets, torch.zeros_like(targets)).to(logits.dtype)
        losses = ((logits - targets) / self.config.scale).square().mean(dim=1)
        return masked_mean(losses, known.to(logits.dtype))
