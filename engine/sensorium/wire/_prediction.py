"""Predictions as JSON: what a sink writes and a reader takes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_json

from sensorium.errors import WireError
from sensorium.events import Absence, Prediction, TaskResult
from sensorium.wire._checks import expect, expect_text, in_int64, missing

__all__ = ["prediction_from_dict", "prediction_json", "prediction_to_dict"]

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def prediction_to_dict(prediction: Prediction) -> dict[str, Any]:
    """A prediction as JSON has it.

    Returns
    -------
    dict
        As `prediction_schema` describes. What a task does not give is left out; a number that is
        not finite is None, since JSON has no other.
    """
    return {
        "id": prediction.id,
        "pipeline": prediction.pipeline,
        "key": prediction.key,
        "time": prediction.time,
        "tasks": {name: _result_to_dict(result) for name, result in prediction.tasks.items()},
        "members": {stream: list(origins) for stream, origins in prediction.members.items()},
        "absent": {stream: str(reason) for stream, reason in prediction.absent.items()},
        "unsettled": sorted(prediction.unsettled),
        "revision": prediction.revision,
        "model": prediction.model,
    }


def prediction_json(prediction: Prediction) -> str:
    """A prediction as one line of JSON in ASCII, without the line's end."""
    fields = prediction_to_dict(prediction)
    # In a third of the time, where that is ASCII; it refuses half of a surrogate pair.
    with suppress(PydanticSerializationError):
        written = to_json(fields)
        if written.isascii():
            return written.decode()
    return _ENCODER.encode(fields)


def prediction_from_dict(value: Mapping[str, Any]) -> Prediction:
    """Read a prediction again; unknown fields are passed over.

    Raises
    ------
    WireError
        If a field is missing or of the wrong type.
    """
    tasks = _map(value, "tasks", "$")
    return Prediction(
        id=_text(value, "id"),
        pipeline=_text(value, "pipeline"),
        key=_text(value, "key"),
        time=in_int64(_int(value, "time"), "$.time"),
        tasks={name: _result_from_dict(tasks, name) for name in tasks},
        members={
            stream: _texts(origins, f"$.members.{stream}")
            for stream, origins in _map(value, "members", "$").items()
        },
        absent={
            stream: _absence(reason, f"$.absent.{stream}")
            for stream, reason in _map(value, "absent", "$").items()
        },
        unsettled=frozenset(_texts(_get(value, "unsettled", "$"), "$.unsettled")),
        revision=_int(value, "revision"),
        model=_text(value, "model"),
    )


def _result_to_dict(result: TaskResult) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if result.label is not None:
        fields["label"] = result.label
    if result.score is not None:
        fields["score"] = _finite(result.score)
    if result.scores is not None:
        fields["scores"] = _finite_map(result.scores)
    if result.labels is not None:
        fields["labels"] = list(result.labels)
    if result.values is not None:
        fields["values"] = [_finite(value) for value in result.values]
    if result.contributions is not None:
        fields["contributions"] = _finite_map(result.contributions)
    return fields


def _finite_map(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in values.items()}


def _finite(value: float) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _result_from_dict(tasks: Mapping[str, Any], name: str) -> TaskResult:
    where = f"$.tasks.{name}"
    fields = _map(tasks, name, "$.tasks")
    values = fields.get("values")
    if values is not None:
        expect(values, list, f"{where}.values")
    return TaskResult(
        label=expect_text(fields["label"], f"{where}.label") if "label" in fields else None,
        score=_number(fields["score"], f"{where}.score") if "score" in fields else None,
        scores=_numbers(fields, "scores", where),
        labels=_texts(fields["labels"], f"{where}.labels") if "labels" in fields else None,
        values=None
        if values is None
        else tuple(_number(item, f"{where}.values[{at}]") for at, item in enumerate(values)),
        contributions=_numbers(fields, "contributions", where),
    )


def _get(value: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in value:
        raise missing(f"{where}.{name}")
    return value[name]


def _map(value: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    found: dict[str, Any] = _get(value, name, where)
    expect(found, dict, f"{where}.{name}")
    return found


def _text(value: Mapping[str, Any], name: str) -> str:
    return expect_text(_get(value, name, "$"), f"$.{name}")


def _int(value: Mapping[str, Any], name: str) -> int:
    found: int = _get(value, name, "$")
    expect(found, int, f"$.{name}")
    return found


def _texts(value: Any, where: str) -> tuple[str, ...]:
    expect(value, list, where)
    return tuple(expect_text(item, f"{where}[{at}]") for at, item in enumerate(value))


def _number(value: Any, where: str) -> float:
    if value is None:
        return math.nan
    if type(value) not in (int, float):
        raise WireError(f"Expected `float`, got `{type(value).__name__}`", field=where)
    try:
        return float(value)
    except OverflowError:
        raise WireError("Expected a float of 64 bits, got a larger number", field=where) from None


def _numbers(fields: Mapping[str, Any], name: str, where: str) -> dict[str, float] | None:
    if name not in fields:
        return None
    return {
        key: _number(value, f"{where}.{name}.{key}")
        for key, value in _map(fields, name, where).items()
    }


def _absence(value: Any, where: str) -> Absence:
    text = expect_text(value, where)
    try:
        return Absence(text)
    except ValueError:
        known = ", ".join(Absence)
        raise WireError(f"Expected one of {known}, got {text[:40]!r}", field=where) from None
