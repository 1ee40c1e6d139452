"""What leaves a fusion: one head per task, its weights by name, and how streams counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.plugin import Task, TaskOutput, Weights
from sensorium_plugins.fusions._inputs import Floats
from sensorium_plugins.tasks import Classification

__all__ = [
    "Head",
    "activated_output",
    "centred",
    "fresh_weights",
    "gives_values",
    "head_shapes",
    "output",
    "shares",
    "target_weights",
]


def gives_values(task: Task) -> bool:
    """Whether a task's outputs are values rather than probabilities, third parties' included."""
    row = task.activate(np.zeros((1, task.size)))[0]
    return task.result(row).values is not None


def head_shapes(prefix: str, task: Task, sizes: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The names and shapes of a head's weights.

    Parameters
    ----------
    prefix
        What the names begin with, as ``"task_exercise"``.
    task
        The task.
    sizes
        The length of the head's input, then those of its hidden layers.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    widths = [*sizes, task.size]
    for index, (taken, given) in enumerate(pairwise(widths)):
        shapes[f"{prefix}.layers.{index}.weight"] = (given, taken)
        shapes[f"{prefix}.layers.{index}.bias"] = (given,)
    shapes[f"{prefix}.prior"] = (task.size,)
    if gives_values(task):
        shapes[f"{prefix}.location"] = (task.size,)
        shapes[f"{prefix}.scale"] = (task.size,)
    return shapes


class Head:
    """A multi-layer perceptron (ReLU) in numpy; a linear map where there is no hidden layer.

    Where nothing is present it gives its ``prior``: the logits of the labels' frequencies in
    training. Values are given in the targets' units, by ``location`` and ``scale``.

    Parameters
    ----------
    weights
        The fusion's weights, named as `head_shapes` says.
    prefix
        What this head's names begin with.
    """

    def __init__(self, weights: Weights, prefix: str) -> None:
        self.layers: list[tuple[Floats, Floats]] = []
        while f"{prefix}.layers.{len(self.layers)}.weight" in weights:
            name = f"{prefix}.layers.{len(self.layers)}"
            self.layers.append(
                (_float32(weights[f"{name}.weight"]), _float32(weights[f"{name}.bias"]))
            )
        self._prior = _float32(weights[f"{prefix}.prior"])
        self._location = _float32(weights.get(f"{prefix}.location", np.zeros(1)))
        self._scale = _float32(weights.get(f"{prefix}.scale", np.ones(1)))

    def __call__(self, inputs: Floats, there: npt.NDArray[np.bool_]) -> Floats:
        """Raw outputs, shape (batch, size).

        Parameters
        ----------
        inputs
            Shape (batch, input).
        there
            bool of shape (batch, streams): which streams are present.
        """
        hidden = inputs
        for weight, bias in self.layers[:-1]:
            hidden = np.maximum(hidden @ weight.T + bias, np.float32(0))
        weight, bias = self.layers[-1]
        someone = np.any(there, axis=1, keepdims=True)
        logits = np.where(someone, hidden @ weight.T + bias, self._prior)
        return _float32(logits * self._scale + self._location)


def target_weights(
    prefix: str, task: Task, targets: npt.NDArray[Any]
) -> dict[str, npt.NDArray[np.float32]]:
    """What a head takes from the targets of the training split alone.

    Parameters
    ----------
    prefix
        What the head's names begin with.
    task
        The task.
    targets
        Shape (items, size), NaN rows where there is none.

    Returns
    -------
    dict
        ``<prefix>.prior`` and, for values, ``.location`` and ``.scale``. The frequencies of labels
        are smoothed by half an item of each, so that one never seen is unlikely, not impossible.
    """
    known = targets[~np.isnan(targets).any(axis=1)]
    if gives_values(task):
        deviation = known.std(axis=0) if len(known) else np.ones(task.size)
        return {
            f"{prefix}.prior": np.zeros(task.size, dtype=np.float32),
            f"{prefix}.location": _float32(known.mean(axis=0) if len(known) else deviation * 0),
            f"{prefix}.scale": _float32(np.where(deviation > 1e-12, deviation, 1.0)),
        }
    with_it = known.sum(axis=0) + 0.5
    if isinstance(task, Classification):
        return {f"{prefix}.prior": _float32(np.log(with_it / with_it.sum()))}
    return {f"{prefix}.prior": _float32(np.log(with_it / (len(known) + 1 - with_it)))}


def centred(task: Task, logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Outputs without what makes no difference: a shift of all logits of a classification."""
    if isinstance(task, Classification):
        return np.asarray(logits - logits.mean(axis=-1, keepdims=True))
    return logits


def shares(sizes: npt.NDArray[Any], present: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Contributions from how much each stream moved the outputs.

    Parameters
    ----------
    sizes
        Not negative, shape (batch, streams).
    present
        bool, the same shape.

    Returns
    -------
    array of shape (batch, streams)
        0 where absent; rows sum to 1, unless nothing is present. Streams that none moved anything
        count alike.
    """
    counted = np.where(present, np.asarray(sizes, dtype=np.float64), 0.0)
    nothing = counted.sum(axis=1, keepdims=True) <= 1e-12
    counted = np.where(nothing, present.astype(np.float64), counted)
    total = np.maximum(counted.sum(axis=1, keepdims=True), 1e-12)
    return _float32(counted / total)


def output(
    task: Task, logits: npt.NDArray[Any], contribution: npt.NDArray[Any] | None
) -> TaskOutput:
    """Raw outputs, activated, as scores or values."""
    return activated_output(task, task.activate(logits), contribution)


def activated_output(
    task: Task, activated: npt.NDArray[Any], contribution: npt.NDArray[Any] | None
) -> TaskOutput:
    """Activated outputs, as scores or values."""
    if gives_values(task):
        return TaskOutput(values=activated, contribution=contribution)
    return TaskOutput(scores=activated, contribution=contribution)


def fresh_weights(
    shapes: Mapping[str, tuple[int, ...]], seed: int = 0
) -> dict[str, npt.NDArray[Any]]:
    """Weights to begin with: matrices uniform in one over the root of their inputs, and so on."""
    random = np.random.default_rng(seed)
    weights: dict[str, npt.NDArray[Any]] = {}
    for name, shape in shapes.items():
        last = name.rpartition(".")[2]
        if last == "weight":
            reach = 1 / np.sqrt(shape[1])
            weights[name] = random.uniform(-reach, reach, shape).astype(np.float32)
        else:
            fill = 1.0 if last in {"scale", "variance"} else 0.0
            weights[name] = np.full(shape, fill, dtype=np.float32)
    return weights


def _float32(array: npt.NDArray[Any]) -> Floats:
    given: Floats = np.asarray(array, dtype=np.float32)
    return given
