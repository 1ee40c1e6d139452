"""A prediction as tensors, in the form of the Open Inference Protocol, version 2."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import numpy as np

from sensorium.door._refused import RefusedError
from sensorium.door._request import Request
from sensorium.events import Prediction, TaskResult
from sensorium.plugin import Task
from sensorium.wire import prediction_json

__all__ = ["PREDICTION", "Answer", "answer", "outputs_of"]

#: The output that holds all of a prediction, as it is written to a sink.
PREDICTION: Final = "prediction"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent.

    Parameters
    ----------
    body
        JSON, and what follows it.
    header_length
        The length of the JSON in bytes, where something follows it.
    """

    body: bytes
    header_length: int | None = None


@dataclass(frozen=True, slots=True)
class _Tensor:
    """One output: texts, or numbers; of one axis."""

    name: str
    values: Sequence[str] | Sequence[float]

    @property
    def datatype(self) -> str:
        return "BYTES" if all(isinstance(it, str) for it in self.values) else "FP64"

    @property
    def plain(self) -> list[Any]:
        """As JSON has it, which has no numbers that are not finite."""
        return [it if isinstance(it, str) or math.isfinite(it) else None for it in self.values]

    @property
    def binary(self) -> bytes:
        if self.datatype == "FP64":
            return np.array(self.values, "<f8").tobytes()
        texts = [str(it).encode() for it in self.values]
        return b"".join(struct.pack("<I", len(it)) + it for it in texts)


def answer(prediction: Prediction, request: Request) -> Answer:
    """Answer a request with a prediction.

    Raises
    ------
    RefusedError
        If an output is wanted that there is not.
    """
    tensors = {it.name: it for it in _tensors(prediction)}
    wanted = request.outputs
    if wanted is None:
        wanted = dict.fromkeys(tensors, request.binary)
    outputs: list[dict[str, Any]] = []
    rest: list[bytes] = []
    for name, binary in wanted.items():
        tensor = tensors.get(name)
        if tensor is None:
            raise RefusedError(
                HTTPStatus.BAD_REQUEST,
                f"there is no output {name[:80]!r}; there are {', '.join(tensors)}",
            )
        one: dict[str, Any] = {
            "name": name,
            "shape": [len(tensor.values)],
            "datatype": tensor.datatype,
        }
        if binary:
            rest.append(tensor.binary)
            one["parameters"] = {"binary_data_size": len(rest[-1])}
        else:
            one["data"] = tensor.plain
        outputs.append(one)
    head = {
        "model_name": prediction.pipeline,
        "model_version": prediction.model,
        "id": request.id,
        "outputs": outputs,
    }
    text = json.dumps(head, allow_nan=False).encode()
    return Answer(text + b"".join(rest), len(text) if rest else None)


def outputs_of(tasks: Mapping[str, Task]) -> list[dict[str, Any]]:
    """The outputs that there are, as the metadata of a model have them."""
    tensors = [_Tensor(PREDICTION, ("",))]
    for name, task in tasks.items():
        # A task says what its result holds by giving one.
        result = task.result(task.activate(np.zeros((1, task.size)))[0])
        tensors += _of_task(name, result)
    return [
        {
            "name": it.name,
            "datatype": it.datatype,
            # How many labels apply differs from set to set.
            "shape": [-1 if it.name.endswith(".labels") else len(it.values)],
        }
        for it in tensors
    ]


def _tensors(prediction: Prediction) -> Iterator[_Tensor]:
    yield _Tensor(PREDICTION, (prediction_json(prediction),))
    for name, result in prediction.tasks.items():
        yield from _of_task(name, result)


def _of_task(name: str, result: TaskResult) -> Iterator[_Tensor]:
    if result.label is not None:
        yield _Tensor(f"{name}.label", (result.label,))
    if result.labels is not None:
        yield _Tensor(f"{name}.labels", result.labels)
    if result.score is not None:
        yield _Tensor(f"{name}.score", (result.score,))
    if result.scores is not None:
        yield _Tensor(f"{name}.scores", tuple(result.scores.values()))
    if result.values is not None:
        yield _Tensor(f"{name}.values", result.values)
