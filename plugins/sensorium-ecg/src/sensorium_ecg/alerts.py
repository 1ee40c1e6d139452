"""The observer `ecg-alerts`: a line of JSON whenever something changes for a patient.

It writes where the environment variable ``SENSORIUM_ECG_ALERTS`` says, and does nothing without it.
A patient is a key. The lines, with ``alert`` and what belongs to it:

- ``lost``: a set lacks a stream that the patient has; why, and the end of its last event in a set.
- ``back``: the stream is there again.
- ``changed``: a task has another label than in the patient's last prediction.
- ``unusable``: a record could not be used; where it is and why.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sensorium import AlignedSet, DeadLetter, Event, Prediction, hookimpl

__all__ = [
    "VARIABLE",
    "sensorium_on_dead_letters",
    "sensorium_on_events",
    "sensorium_on_predictions",
    "sensorium_on_sets",
]

#: The environment variable with the path of the log.
VARIABLE: Final = "SENSORIUM_ECG_ALERTS"
#: Of how many patients it is remembered how they were, the latest ones.
_PATIENTS: Final = 10_000


@dataclass(slots=True)
class _Patient:
    """How a patient was in the last set."""

    streams: set[str] = field(default_factory=set)
    heard: dict[str, int] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    labels: dict[str, str | None] = field(default_factory=dict)


_patients: OrderedDict[tuple[str, str], _Patient] = OrderedDict()


@hookimpl
def sensorium_on_events(pipeline: str, events: Sequence[Event]) -> None:
    """Note which streams a patient has."""
    if _path():
        for event in events:
            _patient(pipeline, event.key).streams.add(event.stream)


@hookimpl
def sensorium_on_sets(pipeline: str, sets: Sequence[AlignedSet]) -> None:
    """Tell of streams that are lost, and back."""
    if path := _path():
        _write(path, pipeline, (alert for one in sets for alert in _presence(pipeline, one)))


@hookimpl
def sensorium_on_predictions(pipeline: str, predictions: Sequence[Prediction]) -> None:
    """Tell of labels that have changed."""
    if path := _path():
        _write(path, pipeline, (it for one in predictions for it in _changes(pipeline, one)))


@hookimpl
def sensorium_on_dead_letters(pipeline: str, letters: Sequence[DeadLetter]) -> None:
    """Tell of records that could not be used."""
    if path := _path():
        _write(
            path,
            pipeline,
            (
                _alert(
                    "unusable", it.key, it.time, stream=it.stream, origin=it.origin, why=it.message
                )
                for it in letters
            ),
        )


def _presence(pipeline: str, one: AlignedSet) -> Iterable[dict[str, Any]]:
    patient = _patient(pipeline, one.key)
    for stream, reason in one.absent.items():
        if stream in patient.streams and stream not in patient.lost:
            patient.lost.add(stream)
            heard = patient.heard.get(stream)
            yield _alert("lost", one.key, one.time, stream=stream, why=str(reason), heard=heard)
    for stream, events in one.members.items():
        patient.heard[stream] = events[-1].end
    for stream in one.members.keys() & patient.lost:
        patient.lost.discard(stream)
        yield _alert("back", one.key, one.time, stream=stream)


def _changes(pipeline: str, one: Prediction) -> Iterable[dict[str, Any]]:
    labels = _patient(pipeline, one.key).labels
    for task, result in one.tasks.items():
        label = result.label
        if label is not None and labels.get(task) != label:
            yield _alert(
                "changed",
                one.key,
                one.time,
                task=task,
                before=labels.get(task),
                label=label,
                score=result.score,
            )
            labels[task] = label


def _patient(pipeline: str, key: str) -> _Patient:
    place = (pipeline, key)
    patient = _patients.get(place)
    if patient is None:
        patient = _patients[place] = _Patient()
        if len(_patients) > _PATIENTS:
            _patients.popitem(last=False)
    _patients.move_to_end(place)
    return patient


def _alert(alert: str, key: str | None, time: int | None, **rest: Any) -> dict[str, Any]:
    return {"alert": alert, "key": key, "time": time, **rest}


def _path() -> str:
    return os.environ.get(VARIABLE, "")


def _write(path: str, pipeline: str, alerts: Iterable[dict[str, Any]]) -> None:
    lines = [json.dumps({"pipeline": pipeline, **alert}) + "\n" for alert in alerts]
    if lines:
        # Alerts are few; closed each time, a line is safe and the log can be moved away.
        with Path(path).open("a", encoding="utf-8") as log:
            log.writelines(lines)
