"""Emit: outputs to predictions, in the order of the sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from sensorium.events import AlignedSet, DeadLetter, Prediction, TaskResult
from sensorium.plugin import Task, TaskOutput
from sensorium.stages._failure import Failure, explain
from sensorium.stages._fuse import Fused, set_letter

__all__ = ["Emitted", "Emitter"]


@dataclass(frozen=True, slots=True)
class Emitted:
    """What goes to the sink.

    Parameters
    ----------
    predictions
        In the order of the sets.
    sets
        The set of each prediction.
    letters
        Sets whose output a task could not read.
    """

    predictions: list[Prediction]
    sets: list[AlignedSet]
    letters: list[DeadLetter]


class Emitter:
    """Writes predictions.

    Parameters
    ----------
    pipeline
        The pipeline's name.
    streams
        In the order of the pipeline file: the columns of a contribution.
    tasks
        Per task, what reads its rows.
    model
        The identity of the model: the digest of its checkpoint.
    """

    def __init__(
        self, pipeline: str, streams: Sequence[str], tasks: Mapping[str, Task], model: str = ""
    ) -> None:
        self._pipeline = pipeline
        self._streams = tuple(streams)
        self._tasks = dict(tasks)
        self._model = model

    def emit(self, sets: Sequence[AlignedSet], fused: Fused, model: str | None = None) -> Emitted:
        """One prediction per set that was fused, in the order of the sets.

        Parameters
        ----------
        sets
            The micro-batch, with the streams that failed marked absent.
        fused
            Its outputs.
        model
            The identity of the model that made them, where it changes while the pipeline runs.
        """
        model = self._model if model is None else model
        out = Emitted([], [], [])
        rows = fused.rows.tolist()
        columns = [
            (name, task, *_by_row(fused.outputs[name]))
            for name, task in self._tasks.items()
            if rows
        ]
        for at, row in enumerate(rows):
            aligned = sets[row]
            tasks: dict[str, TaskResult] = {}
            failure: Failure | None = None
            for name, task, given, shares in columns:
                try:
                    result = task.result(given[at])
                except Exception as error:  # a plugin may raise anything
                    message = explain(error, task.name, "result", withhold=False)
                    failure = Failure(row, task.name, "result", type(error).__name__, message)
                    break
                tasks[name] = (
                    result if shares is None else self._shared(result, shares[at], aligned)
                )
            if failure is not None:
                out.letters.append(set_letter("emit", failure, aligned))
                continue
            out.sets.append(aligned)
            out.predictions.append(self._prediction(aligned, tasks, model))
        return out

    def _prediction(
        self, aligned: AlignedSet, tasks: Mapping[str, TaskResult], model: str
    ) -> Prediction:
        members = {
            name: tuple([event.origin or event.id for event in events])
            for name, events in aligned.members.items()
        }
        return Prediction(
            aligned.id,
            self._pipeline,
            aligned.key,
            aligned.time,
            tasks,
            members,
            aligned.absent,
            aligned.unsettled,
            aligned.revision,
            model,
        )

    def _shared(self, it: TaskResult, shares: Sequence[float], aligned: AlignedSet) -> TaskResult:
        """The result, with how much each stream that was there counted."""
        there = dict(zip(self._streams, shares, strict=True))
        if len(aligned.members) < len(there):
            there = {name: share for name, share in there.items() if name in aligned.members}
        return TaskResult(it.label, it.score, it.scores, it.labels, it.values, there)


def _by_row(output: TaskOutput) -> tuple[npt.NDArray[Any], list[list[float]] | None]:
    """What a task gets of each row, and each row's contributions, if there are any."""
    given = output.scores if output.scores is not None else output.values
    assert given is not None
    shares = output.contribution
    return given, None if shares is None else shares.tolist()
