"""Fuse: features and presence to one output per task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.events import AlignedSet, DeadLetter
from sensorium.plugin import Features, Fusion, Task, TaskOutput
from sensorium.stages._calls import Call, call_rows
from sensorium.stages._check import check_output, finite_rows
from sensorium.stages._encode import EncodedBatch
from sensorium.stages._failure import Failure, failures_of

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
        hook=failure.hook,
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
        Whether every call gets exactly `size` sets, each always at the same place, filled up
        with copies that are dropped again: see `StreamEncoder`.
    around
        Gives what every call of `Fusion.fuse` is made in.
    """

    def __init__(
        self,
        fusion: Fusion,
        tasks: Mapping[str, Task],
        size: int = 64,
        pad: bool = False,
        around: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self._around = around
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

        def call(these: Call) -> Mapping[str, TaskOutput]:
            return self._call(batch, these)

        hashes = batch.hashes if self._pad else None
        for rows, outcome in call_rows(call, total, self._size, hashes):
            if isinstance(outcome, Exception):
                failures += failures_of(rows, outcome, name, "fuse")
                continue
            finite = _finite(outcome)
            for row in rows[~finite]:
                message = f"{name}.fuse gave NaN or infinity"
                failures.append(Failure(int(row), name, "fuse", "NotFinite", message))
            kept.append(rows[finite])
            parts.append({task: _take(output, finite) for task, output in outcome.items()})
        return self._in_order(kept, parts, failures)

    def _in_order(
        self,
        kept: list[npt.NDArray[np.intp]],
        parts: list[Mapping[str, TaskOutput]],
        failures: list[Failure],
    ) -> Fused:
        failures.sort(key=lambda it: it.row)
        if not parts:
            return Fused(np.empty(0, np.intp), {}, tuple(failures))
        rows = np.concatenate(kept)
        order = np.argsort(rows)
        outputs = {
            task: _take(_join([part[task] for part in parts]), order) for task in self._tasks
        }
        return Fused(rows[order], outputs, tuple(failures))

    def _call(self, batch: EncodedBatch, these: Call) -> Mapping[str, TaskOutput]:
        present = {name: these.give(there) for name, there in batch.present.items()}
        features = {
            name: Features(these.give(it.data), None if it.mask is None else these.give(it.mask))
            for name, it in batch.features.items()
        }
        with self._around():
            given = self._fusion.fuse(present, **features)
        outputs = {}
        for task, it in self._tasks.items():
            output = given.get(task) if isinstance(given, Mapping) else None
            check_output(output, these.size, it.size, len(present), self._fusion.name, task)
            assert output is not None
            arrays = (output.scores, output.values, output.contribution)
            outputs[task] = TaskOutput(*(None if it is None else these.take(it) for it in arrays))
        return outputs


def _finite(outputs: Mapping[str, TaskOutput]) -> npt.NDArray[np.bool_]:
    arrays = [_given(output) for output in outputs.values()]
    arrays += [it.contribution for it in outputs.values() if it.contribution is not None]
    finite: npt.NDArray[np.bool_] = np.logical_and.reduce([finite_rows(it) for it in arrays])
    return finite


def _given(output: TaskOutput) -> npt.NDArray[np.generic]:
    given = output.scores if output.scores is not None else output.values
    assert given is not None
    return given


def _take(output: TaskOutput, rows: npt.NDArray[np.bool_ | np.intp]) -> TaskOutput:
    arrays = (output.scores, output.values, output.contribution)
    return TaskOutput(*(None if it is None else it[rows] for it in arrays))


def _join(parts: Sequence[TaskOutput]) -> TaskOutput:
    if len(parts) == 1:
        return parts[0]

    def below(name: str) -> npt.NDArray[np.generic] | None:
        arrays = [getattr(part, name) for part in parts]
        return None if any(it is None for it in arrays) else np.concatenate(arrays)

    return TaskOutput(below("scores"), below("values"), below("contribution"))
