"""Fusion by putting all features side by side: logistic regression, or a small perceptron."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sensorium.plugin import (
    Features,
    FeatureSpec,
    PluginConfig,
    Progress,
    Task,
    TaskOutput,
    Weights,
)
from sensorium_plugins.fusions._heads import (
    centred,
    head_shapes,
    output,
    shares,
    target_weights,
)
from sensorium_plugins.fusions._inputs import Floats, Standardised, presence, vectors
from sensorium_plugins.fusions._numpy_fusion import NumpyFusion

if TYPE_CHECKING:
    import torch

__all__ = ["Concat", "ConcatConfig"]


class ConcatConfig(PluginConfig):
    """The model, and how it is trained.

    Parameters
    ----------
    hidden
        Sizes of the hidden layers; ``[]`` for logistic (or linear) regression.
    alpha
        The weight of the L2 penalty: training lowers the mean loss plus
        ``alpha / (2 * items) * sum(weights ** 2)``.
    max_iter
        The most iterations (L-BFGS) or epochs (Adam) of training.
    contributions
        ``occlusion`` takes each stream away in turn and tells how far the raw outputs move; it
        costs one more pass per stream. ``none`` tells nothing.
    """

    hidden: list[Annotated[int, Field(ge=1)]] = Field(default_factory=list)
    alpha: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    max_iter: int = Field(default=300, ge=1)
    contributions: Literal["occlusion", "none"] = "occlusion"


class Concat(NumpyFusion):
    """Standardised features of all streams side by side, then one head per task.

    An absent stream is zeros (the mean of training) and a 1 in a column of its own. It trains with
    scikit-learn, or, as `module`, end to end with torch; it runs in numpy.
    """

    name: ClassVar[str] = "concat"
    Config: ClassVar[type[PluginConfig]] = ConcatConfig
    config: ConcatConfig

    def __init__(
        self, config: ConcatConfig, features: Mapping[str, FeatureSpec], tasks: Mapping[str, Task]
    ) -> None:
        super().__init__(config, features, tasks)
        width = sum(spec.dim for spec in features.values()) + len(features)
        self._sizes = [width, *config.hidden]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The names and shapes of the weights."""
        shapes: dict[str, tuple[int, ...]] = {}
        for name, spec in self.features.items():
            shapes |= {
                f"stream_{name}.location": (spec.dim,),
                f"stream_{name}.variance": (spec.dim,),
            }
            shapes[f"stream_{name}.count"] = ()
        for name, task in self.tasks.items():
            shapes |= head_shapes(f"task_{name}", task, self._sizes)
        return shapes

    def fuse(
        self, present: Mapping[str, npt.NDArray[np.bool_]], **features: Features
    ) -> Mapping[str, TaskOutput]:
        """Fuse a micro-batch; where nothing is present, the labels' frequencies in training."""
        there = presence(self.features, present)
        blocks = self._standardised({n: vectors(f) for n, f in features.items()}, there)
        inputs = _side_by_side(blocks, there)
        logits = {name: head(inputs, there) for name, head in self._heads.items()}
        moved = self._occlude(blocks, there, logits)
        return {
            name: output(task, logits[name], shares(moved[name], there) if moved else None)
            for name, task in self.tasks.items()
        }

    def _occlude(
        self, blocks: list[Floats], there: npt.NDArray[np.bool_], logits: Mapping[str, Floats]
    ) -> dict[str, npt.NDArray[Any]]:
        """Per task, how far the outputs move without each stream, shape (batch, streams)."""
        if self.config.contributions == "none":
            return {}
        moved = {name: np.zeros(there.shape) for name in self.tasks}
        for column in range(len(blocks)):
            without = there.copy()
            without[:, column] = False
            left = [*blocks[:column], np.zeros_like(blocks[column]), *blocks[column + 1 :]]
            inputs = _side_by_side(left, without)
            for name, head in self._heads.items():
                # `there`, not `without`: what moves is the model's answer, not the fall to a prior.
                change = logits[name] - head(inputs, there)
                moved[name][:, column] = np.abs(centred(self.tasks[name], change)).sum(axis=1)
        return moved

    def fit(
        self,
        present: Mapping[str, npt.NDArray[np.bool_]],
        features: Mapping[str, Features],
        targets: Mapping[str, npt.NDArray[Any]],
        *,
        seed: int,
        progress: Progress,
    ) -> Weights:
        """Train with scikit-learn.

        Raises
        ------
        MissingExtraError
            If scikit-learn is not installed.
        PluginError
            If a task has no targets, or is of a type that scikit-learn cannot train here.
        """
        from sensorium_plugins.fusions._fit import fit_head

        there = presence(self.features, present)
        weights: dict[str, npt.NDArray[Any]] = {}
        blocks = []
        for column, name in enumerate(self.features):
            data = vectors(features[name])
            weights |= Standardised.learn(data[there[:, column]], f"stream_{name}")
            block = Standardised.of(weights, f"stream_{name}")(data, there[:, column])
            blocks.append(block)
        inputs = _side_by_side(blocks, there)
        # Rows without any stream would pull the weights; they have the prior instead.
        someone = there.any(axis=1)
        for done, (name, task) in enumerate(self.tasks.items()):
            weights |= target_weights(f"task_{name}", task, targets[name])
            layers, word = fit_head(
                name, task, inputs[someone], targets[name][someone], self.config, seed
            )
            for index, (weight, bias) in enumerate(layers):
                weights[f"task_{name}.layers.{index}.weight"] = weight
                weights[f"task_{name}.layers.{index}.bias"] = bias
            progress(done + 1, len(self.tasks), f"{name}: {word}")
        return weights

    def build(self) -> torch.nn.Module:
        """The same model in torch, not yet with its weights."""
        from sensorium_plugins.fusions._modules import ConcatModule

        return ConcatModule(self.features, self.tasks, self._sizes)


def _side_by_side(blocks: list[Floats], there: npt.NDArray[np.bool_]) -> Floats:
    """All features, then a column per stream that is 1 where it is absent.

    Absence and not presence, so that a fusion trained without any absence has learned nothing of
    these columns and they change nothing.
    """
    return np.concatenate([*blocks, (~there).astype(np.float32)], axis=1)
