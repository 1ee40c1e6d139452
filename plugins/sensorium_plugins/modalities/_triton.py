"""A stream encoded by a model on a Triton Inference Server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError, field_validator

from sensorium.errors import PluginError
from sensorium.host import default_host
from sensorium.plugin import (
    Arrays,
    Features,
    FeatureSpec,
    Modality,
    Payload,
    PluginConfig,
    Samples,
    Weights,
)
from sensorium_plugins._triton import FLOATS, Contract, Tensor, TritonConfig, TritonModel

__all__ = ["Preprocess", "Triton", "TritonModalityConfig"]


class Preprocess(PluginConfig):
    """The modality that decodes and prepares.

    Parameters
    ----------
    modality
        Its name.
    config
        Its configuration.
    """

    modality: str
    config: dict[str, Any] = Field(default_factory=dict)

    def make(self) -> Modality:
        """A fresh instance.

        Raises
        ------
        ValueError
            If there is no such modality, or it does not take the configuration.
        """
        cls = default_host().modalities[self.modality]
        return cls(cls.Config.model_validate_json(json.dumps(self.config), strict=True))


class TritonModalityConfig(TritonConfig):
    """The server, and how the arrays of another modality become features there.

    Parameters
    ----------
    preprocess
        ``modality`` and ``config`` of the modality that decodes payloads and prepares the arrays.
    inputs
        Which of these arrays are sent, and the model's input for each, as ``{signal: INPUT__0}``;
        all of them, under their own names, if not given.
    output
        The model's output with the features; not needed if it has only one.
    mask
        Of sequences, the model's output that says which steps are there, BOOL of shape
        (items, time); if not given, all are.
    dim
        The length of the feature; that of the modality that prepares, if not given.
    kind
        Whether it is a ``vector`` or a ``sequence``; as of that modality, if not given.
    """

    preprocess: Preprocess
    inputs: dict[str, str] | None = None
    output: str = ""
    mask: str = ""
    dim: int | None = Field(default=None, ge=1)
    kind: Literal["vector", "sequence"] | None = None

    @field_validator("preprocess")
    @classmethod
    def _can_be_made(cls, preprocess: Preprocess) -> Preprocess:
        if preprocess.modality == Triton.name:
            raise ValueError("name a modality that prepares by itself, not triton")
        try:
            preprocess.make()
        except KeyError as error:
            raise ValueError(str(error.args[0])) from None
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            where = ".".join(map(str, ("config", *detail["loc"])))
            raise ValueError(f"{where}: {detail['msg']}") from None
        return preprocess


class Triton(Modality):
    """Features from a model on a Triton Inference Server; another modality prepares its input.

    That modality's weights, if the checkpoint has any, are not used: the server has its own. At
    start-up the model's inputs and outputs are compared with the pipeline.
    """

    name: ClassVar[str] = "triton"
    Config: ClassVar[type[PluginConfig]] = TritonModalityConfig
    config: TritonModalityConfig

    def __init__(self, config: TritonModalityConfig) -> None:
        super().__init__(config)
        self._inner = config.preprocess.make()
        # What is a constant of other classes is here that of the modality inside.
        self.per = self._inner.per  # type: ignore[misc]
        self.prepare_at = self._inner.prepare_at  # type: ignore[misc]
        self._model: TritonModel | None = None

    def decode(self, payload: Payload) -> Any:
        """Decode as `preprocess` does."""
        return self._inner.decode(payload)

    def duration(self, value: Any) -> int:
        """Last as long as for `preprocess`."""
        return self._inner.duration(value)

    def prepare(self, items: Sequence[Samples]) -> Arrays:
        """Prepare as `preprocess` does."""
        return self._inner.prepare(items)

    @property
    def feature(self) -> FeatureSpec:
        """As configured, else as that of `preprocess`; float32."""
        inner = self._inner.feature
        return FeatureSpec(self.config.dim or inner.dim, self.config.kind or inner.kind)

    def load(self, device: str, weights: Weights | None) -> None:
        """Connect, wait until the model is ready, and compare it with the pipeline.

        Raises
        ------
        PluginError
            If the model does not fit, naming both sides; if the server does not have it.
        UnavailableError
            If the server does not answer.
        """
        model = TritonModel(self.config, f"modality '{self.name}'")
        model.refuse(self._faults(model.contract))
        self._model = model

    @property
    def shares_memory(self) -> bool:
        """Whether inputs go to the server in shared memory, as far as is known by now."""
        return self._model is not None and self._model.shares_memory

    def encode(self, arrays: Arrays) -> Features:
        """Have the server encode, as many items a call as it takes.

        Raises
        ------
        UnavailableError
            If the server does not answer, repetitions included.
        PluginError
            If it refuses, or its model does not fit the arrays.
        """
        model = self._model
        if model is None:
            raise PluginError(f"modality '{self.name}': encode is called before load")
        sent = self._sent(arrays)
        given = {name: Tensor.of(array) for name, array in sent.items()}
        model.refuse(model.contract.input_faults(given, self.config.preprocess.modality))
        output = self._output(model.contract)
        names = [output, self.config.mask] if self.config.mask else [output]
        parts = list(model.infer(sent, names))
        data = [part[output].astype(np.float32, copy=False) for part in parts]
        if self.feature.kind == "vector":
            return Features(np.concatenate(data))
        masks = [
            part[self.config.mask] if self.config.mask else np.ones(it.shape[:2], np.bool_)
            for part, it in zip(parts, data, strict=True)
        ]
        steps = max(it.shape[1] for it in data)
        return Features(
            np.concatenate([_lengthened(it, steps) for it in data]),
            np.concatenate([_lengthened(it, steps) for it in masks]),
        )

    def _sent(self, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Per input of the model, the array that is sent."""
        names = self.config.inputs
        if names is None:
            return dict(arrays)
        return {given: arrays[name] for name, given in names.items() if name in arrays}

    def _output(self, contract: Contract) -> str:
        if self.config.output or len(contract.outputs) != 1:
            return self.config.output
        return next(iter(contract.outputs))

    def _faults(self, contract: Contract) -> list[str]:
        """What of the model does not fit what is prepared and what is promised as a feature."""
        output = self._output(contract)
        if not output:
            outputs = ", ".join(contract.outputs)
            return [f"the model has the outputs {outputs}: say in `output` which is the feature"]
        spec = self.feature
        axes: tuple[int | None, ...] = (None, *spec.shape)
        wanted = {output: Tensor(FLOATS, axes)}
        if spec.kind == "sequence" and self.config.mask:
            wanted[self.config.mask] = Tensor(("BOOL",), (None, None))
        faults = contract.output_faults(wanted, f"the feature ({spec.kind})")
        arrays = self._nothing()
        if arrays is None:
            return faults
        inner = self.config.preprocess.modality
        unknown = [name for name in self.config.inputs or () if name not in arrays]
        faults += [
            f"`inputs` names the array {name!r}, and {inner} gives {', '.join(arrays)}"
            for name in unknown
        ]
        given = {name: Tensor.of(array) for name, array in self._sent(arrays).items()}
        return faults + contract.input_faults(given, inner)

    def _nothing(self) -> Arrays | None:
        """The arrays of no items, which tell names, dtypes and shapes; None if there are none.

        A modality need not be able to prepare nothing; then the first batch is compared.
        """
        try:
            arrays: Mapping[str, Any] = self._inner.prepare([])
        except Exception:  # a plugin may raise anything
            return None
        known = all(isinstance(it, np.ndarray) and it.shape[:1] == (0,) for it in arrays.values())
        return arrays if known else None


def _lengthened(array: npt.NDArray[Any], steps: int) -> npt.NDArray[Any]:
    """With zeros after the last step, up to so many."""
    missing = [(0, 0), (0, steps - array.shape[1]), *[(0, 0)] * (array.ndim - 2)]
    return np.pad(array, missing)
