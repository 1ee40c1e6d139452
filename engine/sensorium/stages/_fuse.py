"""Fuse: features and presence to one output per task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sensorium.events import AlignedSet, DeadLetter
from sensorium.plugin import Fusion, Task, TaskOutput
from sensorium.stages._check import check_output, finite_rows
from sensorium.stages._encode import EncodedBatch
from sensorium.stages._failure import Failure, bisect, explain
from sensorium.stages._rows import pad_rows, take_features

__all__ = ["Fused", "Fuser"]


@dataclass(frozen=True, slots=True)
class Fused:
    """The outputs of a micro-batch.

    Parameters
    ----------
    rows
        The sets that were fused, intp of shape (rows,), ascending.
    outputs
        Per task, the outputs of these rows.
    failures
        The sets that were not; they give no prediction.
    """

    rows: npt.NDArray[np.intp]
    outputs: Mapping[str, TaskOutput]
    failures: tuple[Failure, ...] = ()

    def letters(self, sets: Sequence[AlignedSet]) -> list[DeadLetter]:
        """One dead letter per set that could not be fused."""
        return [set_letter("fuse", failure, sets[failure.row]) for failure in self.failures]


def set_letter(stage: str, failure: Failure, aligned: AlignedSet) -> DeadLetter:
    """The dead letter of a whole set."""
    return DeadLetter(
        stage=stage,
        error=failure.error,
        message=f"{failure.message} (set {aligned.id or aligned.time})",
        key=aligned.key,
        time=aligned.time,
        plugin=failure.plugin,
    )


class Fuser:
    """Calls the fusion safely. Thread-safe, as the fusion is.

    Parameters
    ----------
    fusion
        Loaded.
    tasks
        Per task, in the order of the pipeline file.
    size
        The most sets of one call.
    pad
        Whether every call gets exactly `size` sets, filled up with copies that are dropped again.
    """

    def __init__(
        self, fusion: Fusion, tasks: Mapping[str, Task], size: int = 64, pad: bool = False
    ) -> None:
        self._fusion = fusion
        self._tasks = dict(tasks)
        self._size = size
        self._pad = pad

    def fuse(self, batch: EncodedBatch) -> Fused:
        """Fuse a micro-batch; a set that fails, or whose output is not finite, is left out."""
        total = len(next(iter(batch.present.values())))
        name = self._fusion.name
        kept: list[npt.NDArray[np.intp]] = []
        parts: list[Mapping[str, TaskOutput]] = []
        failures: list[Failure] = []

        def call(start: int, stop: int) -> Mapping[str, TaskOutput]:
            return self._call(batch, start, stop)

        for first in range(0, total, self._size):
            for start, stop, outcome in bisect(call, first, min(first + self._size, total)):
                if isinstance(outcome, Exception):
                    message = explain(outcome, name, "fuse", withhold=False)
                    failures.append(Failure(start, name, "fuse", type(outcome).__name__, message))
                    continue
                finite = np.ones(stop - start, np.bool_)
                for output in outcome.values():
                    finite &= finite_rows(_given(output))
                    if output.contribution is not None:
                        finite &= finite_rows(output.contribution)
                rows = np.arange(start, stop)
                for row in rows[~finite]:
                    message = f"{name}.fuse gave NaN or infinity"
                    failures.append(Failure(int(row), name, "fuse", "NotFinite", message))
                kept.append(rows[finite])
                parts.append({task: _take(output, finite) for task, output in outcome.items()})
        rows = np.concatenate(kept) if kept else np.empty(0, np.intp)
        outputs = {}
        if parts:
            outputs = {task: _join([part[task] for part in parts]) for task in self._tasks}
        return Fused(rows, outputs, tuple(failures))

    def _call(self, batch: EncodedBatch, start: int, stop: int) -> Mapping[str, TaskOutput]:
        rows = slice(start, stop)
        present = {name: there[rows] for name, there in batch.present.items()}
        features = {name: take_features(it, rows) for name, it in batch.features.items()}
        count = stop - start
        if self._pad:
            count = self._size
            present = {name: pad_rows(there, count) for name, there in present.items()}
            features = {
                name: type(it)(
                    pad_rows(it.data, count), None if it.mask is None else pad_rows(it.mask, count)
                )
                for name, it in features.items()
            }
        given = self._fusion.fuse(present, **features)
        outputs = {}
        for task, it in self._tasks.items():
            output = given.get(task) if isinstance(given, Mapping) else None
            check_output(output, count, it.size, len(present), self._fusion.name, task)
            assert output is not None
            outputs[task] = _take(output, slice(0, stop - start)) if self._pad else output
        return outputs


def _given(output: TaskOutput) -> npt.NDArray[np.generic]:
    given = output.scores if output.scores is not None else output.values
    assert given is not None
    return given


def _take(output: TaskOutput, rows: slice | npt.NDArray[np.bool_]) -> TaskOutput:
    arrays = (output.scores, output.values, output.contribution)
    return TaskOutput(*(None if it is None else it[rows] for it in arrays))


def _join(parts: Sequence[TaskOutput]) -> TaskOutput:
    if len(parts) == 1:
        return parts[0]

    def below(name: str) -> npt.NDArray[np.generic] | None:
        arrays = [getattr(part, name) for part in parts]
        return None if any(it is None for it in arrays) else np.concatenate(arrays)

    return TaskOutput(below("scores"), below("values"), below("contribution"))
