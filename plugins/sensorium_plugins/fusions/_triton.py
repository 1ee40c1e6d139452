"""A fusion that is a model on a Triton Inference Server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from sensorium.errors import PluginError
from sensorium.plugin import Features, FeatureSpec, Fusion, PluginConfig, Task, TaskOutput, Weights
from sensorium_plugins._triton import FLOATS, Tensor, TritonConfig, TritonModel
from sensorium_plugins.fusions._heads import activated_output, output
from sensorium_plugins.fusions._inputs import presence

__all__ = ["Triton", "TritonFusionConfig"]

_PRESENT = "present"


class TritonFusionConfig(TritonConfig):
    """The server, and how the model's inputs and outputs are named.

    Parameters
    ----------
    inputs
        What is sent, and the model's input for each: features by their stream, the steps that a
        sequence has as ``<stream>.mask``, and presence, BOOL of shape (items, streams), as
        ``present``; all of it, under these names, if not given.
    outputs
        Per task, the model's output, (items, outputs of the task); the task's name if not given.
    gives
        ``logits``: raw outputs, which the task turns into probabilities or values;
        ``activated``: these.
    contribution
        The model's output that says how much each stream counted, (items, streams), if it has one.
    """

    inputs: dict[str, str] | None = None
    outputs: dict[str, str] | None = None
    gives: Literal["logits", "activated"] = "logits"
    contribution: str = ""


class Triton(Fusion):
    """A model on a Triton Inference Server, given the features of the streams and their presence.

    It is trained elsewhere. At start-up the model's inputs and outputs are compared with the
    pipeline.
    """

    name: ClassVar[str] = "triton"
    Config: ClassVar[type[PluginConfig]] = TritonFusionConfig
    config: TritonFusionConfig

    def __init__(
        self,
        config: TritonFusionConfig,
        features: Mapping[str, FeatureSpec],
        tasks: Mapping[str, Task],
    ) -> None:
        super().__init__(config, features, tasks)
        self._offers = dict(_offers(features))
        self._inputs = {name: name for name in self._offers}
        if config.inputs is not None:
            self._inputs = config.inputs
        self._outputs = {task: (config.outputs or {}).get(task, task) for task in tasks}
        faults = _unknown("inputs", self._inputs, self._offers)
        faults += _unknown("outputs", config.outputs or {}, tasks)
        if faults:
            raise ValueError("; ".join(faults))
        self._model: TritonModel | None = None

    def load(self, device: str, weights: Weights | None) -> None:
        """Connect, wait until the model is ready, and compare it with the pipeline.

        Raises
        ------
        PluginError
            If the model does not fit, naming both sides; if the server does not have it.
        UnavailableError
            If the server does not answer.
        """
        model = TritonModel(self.config, f"fusion '{self.name}'")
        given = {theirs: self._offers[ours] for ours, theirs in self._inputs.items()}
        faults = model.contract.input_faults(given, "the pipeline")
        for name, task in self.tasks.items():
            wanted = {self._outputs[name]: Tensor(FLOATS, (None, task.size))}
            faults += model.contract.output_faults(wanted, f"the task {name!r}")
        if self.config.contribution:
            wanted = {self.config.contribution: Tensor(FLOATS, (None, len(self.features)))}
            faults += model.contract.output_faults(wanted, "`contribution`")
        model.refuse(faults)
        self._model = model

    def fuse(
        self, present: Mapping[str, npt.NDArray[np.bool_]], **features: Features
    ) -> Mapping[str, TaskOutput]:
        """Have the server fuse, as many items a call as it takes.

        Raises
        ------
        UnavailableError
            If the server does not answer, repetitions included.
        PluginError
            If it refuses.
        """
        if self._model is None:
            raise PluginError(f"fusion '{self.name}': fuse is called before load")
        arrays: dict[str, npt.NDArray[Any]] = {_PRESENT: presence(self.features, present)}
        for name, feature in features.items():
            arrays[name] = np.asarray(feature.data)
            if feature.mask is not None:
                arrays[f"{name}.mask"] = np.asarray(feature.mask)
        sent = {theirs: arrays[ours] for ours, theirs in self._inputs.items()}
        asked = [*dict.fromkeys(self._outputs.values())]
        if self.config.contribution:
            asked.append(self.config.contribution)
        parts = list(self._model.infer(sent, asked))
        found = {
            name: np.concatenate([part[name] for part in parts]).astype(np.float32, copy=False)
            for name in asked
        }
        contribution = found.get(self.config.contribution)
        finish = output if self.config.gives == "logits" else activated_output
        return {
            name: finish(task, found[self._outputs[name]], contribution)
            for name, task in self.tasks.items()
        }


def _offers(features: Mapping[str, FeatureSpec]) -> Iterator[tuple[str, Tensor]]:
    """What the pipeline can send, by name."""
    for name, spec in features.items():
        yield name, Tensor(Tensor.of(np.empty(0, spec.dtype)).dtypes, (None, *spec.shape))
        if spec.kind == "sequence":
            yield f"{name}.mask", Tensor(("BOOL",), (None, None))
    yield _PRESENT, Tensor(("BOOL",), (None, len(features)))


def _unknown(key: str, named: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    return [
        f"`{key}` names {name!r}; there are {', '.join(known)}"
        for name in named
        if name not in known
    ]
