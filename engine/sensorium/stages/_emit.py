"""Emit: outputs to predictions, in the order of the sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
        for at, row in enumerate(fused.rows):
            aligned = sets[row]
            tasks: dict[str, TaskResult] = {}
            failure: Failure | None = None
            for name, task in self._tasks.items():
                try:
                    tasks[name] = self._result(task, fused.outputs[name], at, aligned)
                except Exception as error:  # a plugin may raise anything
                    message = explain(error, task.name, "result", withhold=False)
                    failure = Failure(int(row), task.name, "result", type(error).__name__, message)
                    break
            if failure is not None:
                out.letters.append(set_letter("emit", failure, aligned))
                continue
            out.sets.append(aligned)
            out.predictions.append(self._prediction(aligned, tasks, model))
        return out

    def _prediction(
        self, aligned: AlignedSet, tasks: Mapping[str, TaskResult], model: str
    ) -> Prediction:
        return Prediction(
            id=aligned.id,
            pipeline=self._pipeline,
            key=aligned.key,
            time=aligned.time,
            tasks=tasks,
            members={
                name: tuple([event.origin or event.id for event in events])
                for name, events in aligned.members.items()
            },
            absent=aligned.absent,
            unsettled=aligned.unsettled,
            revision=aligned.revision,
            model=model,
        )

    def _result(self, task: Task, output: TaskOutput, row: int, aligned: AlignedSet) -> TaskResult:
        given = output.scores if output.scores is not None else output.values
        assert given is not None
        result = task.result(given[row])
        if output.contribution is None:
            return result
        shares = zip(self._streams, output.contribution[row].tolist(), strict=True)
        there = {name: float(share) for name, share in shares if name in aligned.members}
        return replace(result, contributions=there)
