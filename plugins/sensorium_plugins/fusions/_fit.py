"""Training the head of one task with scikit-learn."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sensorium.errors import PluginError
from sensorium.plugin import Task
from sensorium_plugins._extras import import_sklearn
from sensorium_plugins.tasks import Classification, MultiLabel, Regression

if TYPE_CHECKING:
    from sensorium_plugins.fusions._concat import ConcatConfig

__all__ = ["fit_head"]

Array: TypeAlias = npt.NDArray[Any]
Layers: TypeAlias = list[tuple[Array, Array]]

#: The logit of a label that training never saw.
_UNSEEN = -20.0


def fit_head(
    name: str, task: Task, inputs: Array, targets: Array, config: ConcatConfig, seed: int
) -> tuple[Layers, str]:
    """Train one head.

    Parameters
    ----------
    name, task
        The task.
    inputs
        float32 of shape (items, input).
    targets
        Shape (items, size), NaN rows where there is none.
    config
        The fusion's.
    seed
        What makes it reproducible.

    Returns
    -------
    (layers, word)
        Per layer, weight (given, taken) and bias (given,), float32; and a word on the data.

    Raises
    ------
    PluginError
        If there is no target, or scikit-learn cannot train this type of task here.
    """
    known = ~np.isnan(targets).any(axis=1)
    if not known.any():
        raise PluginError(
            f"fusion 'concat': task {name!r} has no target in the training split; check the task's "
            f"`target` and that its stream is in the recording"
        )
    inputs, targets = inputs[known], targets[known]
    with warnings.catch_warnings():
        # Stopping after max_iter is how a perceptron is meant to end.
        warnings.filterwarnings("ignore", message=".*(iterations|max_iter|converge).*")
        layers = _train(task, inputs, targets, config, seed)
    # An indicator of absence that never varied has learned nothing: it shall change nothing.
    constant = inputs.max(axis=0) == inputs.min(axis=0)
    layers[0] = (np.where(constant, 0, layers[0][0]), layers[0][1])
    # Transposed views would be written to a checkpoint in whatever order they lie in memory.
    given = [
        (np.ascontiguousarray(w, dtype=np.float32), np.ascontiguousarray(b, dtype=np.float32))
        for w, b in layers
    ]
    return given, f"{len(inputs)} items"


def _train(task: Task, inputs: Array, targets: Array, config: ConcatConfig, seed: int) -> Layers:
    if isinstance(task, Classification):
        return _classifier(task, inputs, targets.argmax(axis=1), config, seed)
    if isinstance(task, MultiLabel):
        return _labels(inputs, targets, config, seed)
    if isinstance(task, Regression):
        return _regressor(inputs, targets, config, seed)
    raise PluginError(
        f"fusion 'concat' trains classification, multi-label and regression tasks; a task of type "
        f"{task.name!r} trains with the fusion 'mean' or 'gated'"
    )


def _classifier(
    task: Classification, inputs: Array, labels: Array, config: ConcatConfig, seed: int
) -> Layers:
    seen = np.unique(labels)
    if len(seen) == 1:
        layers = _nothing(inputs.shape[1], config.hidden, np.zeros(1))
    elif config.hidden:
        # Not every supported version of the perceptron takes weights: items are drawn by them.
        weights = task.class_weights[labels]
        if (weights != weights[0]).any():
            random = np.random.default_rng(seed)
            drawn = random.choice(len(labels), len(labels), p=weights / weights.sum())
            # One of each label stays, whatever was drawn.
            drawn = np.concatenate([drawn, [np.flatnonzero(labels == label)[0] for label in seen]])
            inputs, labels = inputs[drawn], labels[drawn]
        layers = _perceptron("MLPClassifier", inputs, labels, config, seed)
    else:
        layers = [_logistic(inputs, labels, config, task.class_weights[labels])]
    weight, bias = layers[-1]
    if len(seen) == 2:  # one logit for two labels: that of the second, the first's being 0
        weight = np.concatenate([np.zeros_like(weight), weight])
        bias = np.concatenate([np.zeros_like(bias), bias])
    full_weight = np.zeros((task.size, weight.shape[1]))
    full_bias = np.full(task.size, _UNSEEN)
    full_weight[seen], full_bias[seen] = weight, bias
    return [*layers[:-1], (full_weight, full_bias)]


def _labels(inputs: Array, targets: Array, config: ConcatConfig, seed: int) -> Layers:
    if config.hidden and targets.shape[1] > 1:
        return _perceptron("MLPClassifier", inputs, targets.astype(int), config, seed)
    columns = []
    for column in targets.T.astype(int):
        if column.min() == column.max():
            bias = np.array([-_UNSEEN if column[0] else _UNSEEN])
            columns.append(_nothing(inputs.shape[1], config.hidden, bias))
        elif config.hidden:
            return _perceptron("MLPClassifier", inputs, column, config, seed)
        else:
            columns.append([_logistic(inputs, column, config, None)])
    if config.hidden:
        return columns[0]
    return [
        (
            np.concatenate([layers[0][0] for layers in columns]),
            np.concatenate([layers[0][1] for layers in columns]),
        )
    ]


def _regressor(inputs: Array, targets: Array, config: ConcatConfig, seed: int) -> Layers:
    deviation = targets.std(axis=0)
    scaled = (targets - targets.mean(axis=0)) / np.where(deviation > 1e-12, deviation, 1.0)
    if config.hidden:
        single = scaled[:, 0] if scaled.shape[1] == 1 else scaled
        return _perceptron("MLPRegressor", inputs, single, config, seed)
    ridge = import_sklearn("linear_model", "training fusion 'concat'").Ridge(alpha=config.alpha)
    ridge.fit(inputs.astype(np.float64), scaled)
    return [(ridge.coef_.reshape(scaled.shape[1], -1), np.atleast_1d(ridge.intercept_))]


def _logistic(
    inputs: Array, labels: Array, config: ConcatConfig, weights: Array | None
) -> tuple[Array, Array]:
    linear_model = import_sklearn("linear_model", "training fusion 'concat'")
    model = linear_model.LogisticRegression(C=1 / config.alpha, max_iter=config.max_iter)
    model.fit(inputs.astype(np.float64), labels, sample_weight=weights)
    return model.coef_, model.intercept_


def _perceptron(
    kind: str, inputs: Array, targets: Array, config: ConcatConfig, seed: int
) -> Layers:
    neural_network = import_sklearn("neural_network", "training fusion 'concat'")
    model = getattr(neural_network, kind)(
        hidden_layer_sizes=config.hidden,
        alpha=config.alpha,
        max_iter=config.max_iter,
        random_state=seed,
    )
    model.fit(inputs, targets)
    return [(weight.T, bias) for weight, bias in zip(model.coefs_, model.intercepts_, strict=True)]


def _nothing(taken: int, hidden: list[int], bias: Array) -> Layers:
    """Layers that give a constant: there was nothing to tell apart."""
    widths = [taken, *hidden]
    layers = [(np.zeros((b, a)), np.zeros(b)) for a, b in pairwise(widths)]
    return [*layers, (np.zeros((len(bias), widths[-1])), bias)]
