"""The published JSON Schemas of what a pipeline writes."""

from __future__ import annotations

from typing import Any, Final

from sensorium.events import Absence

__all__ = ["dead_letter_schema", "prediction_schema"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def _texts(description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "description": description}


def _map(values: dict[str, Any], description: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values, "description": description}


def _number(description: str) -> dict[str, Any]:
    return {
        "type": ["number", "null"],
        "description": f"{description} null where it is not a finite number.",
    }


def _time(kind: str | list[str]) -> dict[str, Any]:
    return {
        "type": kind,
        "minimum": -(2**63),
        "maximum": 2**63 - 1,
        "description": "Event time, in nanoseconds since the epoch: an integer of 64 bits, which "
        "a reader that has only doubles must not round.",
    }


def prediction_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `prediction_to_dict`.

    Later versions may add fields; a reader passes over those that it does not know.
    """
    result = {
        "type": "object",
        "description": "The output of one task; what the task does not give is left out.",
        "properties": {
            "label": {"type": "string", "description": "The most probable label."},
            "score": _number("The probability of the label, 0 to 1;"),
            "scores": _map(_number("0 to 1;"), "The probability of every label."),
            "labels": _texts("Multi-label: the labels above the threshold."),
            "values": {
                "type": "array",
                "items": _number("In the target's unit;"),
                "description": "Regression: the values.",
            },
            "contributions": _map(
                _number("0 to 1;"), "How much each stream that was there counted; they sum to 1."
            ),
        },
    }
    properties = {
        "id": {
            "type": "string",
            "description": "The set's id, the same in every run: a reader drops repeated ones.",
        },
        "pipeline": {"type": "string"},
        "key": {"type": "string", "description": "The entity."},
        "time": _time("integer"),
        "tasks": _map(result, "Per task, its output."),
        "members": _map(
            _texts("Origins as topic/partition/offset, or event ids where there is none."),
            "Per stream that was there, its events.",
        ),
        "absent": _map(
            {"type": "string", "enum": [str(reason) for reason in Absence]},
            "Per stream that was not there, the reason.",
        ),
        "unsettled": _texts("Streams that had not settled when the deadline came; sorted."),
        "revision": {"type": "integer", "minimum": 0, "description": "1 revises 0."},
        "model": {"type": "string", "description": "The digest of the checkpoint."},
    }
    return {
        "$schema": _DIALECT,
        "title": "Sensorium prediction",
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def dead_letter_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `dead_letter_to_dict`."""
    optional: dict[str, Any] = {"type": ["string", "null"]}
    content = {"type": "string", "contentEncoding": "base64"}
    properties = {
        "stage": {"type": "string", "description": "The stage that refused it."},
        "error": {"type": "string", "description": "The class of the error."},
        "message": {"type": "string", "description": "What it said; it quotes no payload."},
        "stream": optional,
        "key": optional,
        "time": _time(["integer", "null"]),
        "origin": {**optional, "description": "topic/partition/offset"},
        "plugin": optional,
        "data": {
            **content,
            "type": ["string", "null"],
            "description": "The original bytes; null where they are gone.",
        },
        "headers": _map(content, "The original headers."),
        "attempt": {"type": "integer", "minimum": 1},
        "record_key": {
            **content,
            "type": ["string", "null"],
            "description": "The bytes of the record's key.",
        },
        "hook": {**optional, "description": "The method of the plugin that refused it."},
    }
    return {
        "$schema": _DIALECT,
        "title": "Sensorium dead letter",
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }
