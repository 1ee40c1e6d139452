"""The kit of a task."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from sensorium.errors import PayloadError
from sensorium.events import TaskResult
from sensorium.plugin import Task
from sensorium.testing.conformance._case import Conformance
from sensorium.testing.conformance._compare import read_only
from sensorium.testing.conformance._config_checks import declared, strict
from sensorium.testing.conformance._hostile import hostile
from sensorium.testing.conformance._report import InapplicableError, Subject
from sensorium.testing.conformance._trials import microseconds

__all__ = ["TASK_CHECKS", "TaskConformance", "TaskSubject"]


@dataclass(frozen=True)
class TaskSubject(Subject):
    """A task to check.

    Parameters
    ----------
    plugin, config
        The class, and its configuration as in a pipeline file.
    targets
        Values that a stream may carry as the truth, at least two.
    """

    plugin: type[Task]
    config: Mapping[str, Any]
    targets: Sequence[Any]

    def __post_init__(self) -> None:
        if len(self.targets) < 2:
            raise ValueError("give at least two targets")

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.plugin.name

    def make(self) -> Task:
        """An instance."""
        return self.plugin(self.plugin.Config.model_validate(dict(self.config)))

    def logits(self, task: Task) -> npt.NDArray[np.float32]:
        """Raw outputs, small and great, of 16 rows."""
        drawn = (
            np.random.default_rng(0).normal(size=(16, task.size))
            * np.geomspace(0.1, 80, 16)[:, None]
        )
        return drawn.astype(np.float32)

    def figures(self) -> Mapping[str, float]:
        """What a row costs from raw outputs to what is predicted."""
        task = self.make()
        logits = self.logits(task)

        def rows() -> list[TaskResult]:
            return [task.result(row) for row in task.activate(logits)]

        return {"activate and result": microseconds(rows, len(logits))}


def declares_itself(subject: TaskSubject) -> None:
    """It has a name, a line of documentation, the right API version, and a size."""
    declared(subject, subject.plugin)
    size = subject.make().size
    if type(size) is not int or size < 1:
        subject.refuse(f"size is {size!r}")


def config_is_strict(subject: TaskSubject) -> None:
    """Its configuration refuses unknown keys, is frozen, and survives JSON."""
    strict(subject, subject.plugin.Config, subject.config)


def targets_are_rows(subject: TaskSubject) -> None:
    """A target is a row of `size` finite numbers, float64."""
    task = subject.make()
    for value in subject.targets:
        _check_row(subject, task, value, task.target(value))


def refuses_bad_targets(subject: TaskSubject) -> None:
    """Any value is a row, or a `PayloadError`."""
    task = subject.make()
    for payload in hostile(subject.targets):
        try:
            row = task.target(payload.data)
        except PayloadError:
            continue
        except Exception as error:
            subject.refuse(
                f"target raised {type(error).__name__} for {payload.data!r:.60}; raise PayloadError"
            )
        _check_row(subject, task, payload.data, row)


def _check_row(subject: TaskSubject, task: Task, value: Any, row: Any) -> None:
    if not isinstance(row, np.ndarray) or row.shape != (task.size,) or row.dtype != np.float64:
        subject.refuse(f"the target {value!r:.60} gave {row!r:.60}, not float64 of ({task.size},)")
    if not np.isfinite(row).all():
        subject.refuse(f"the target {value!r:.60} gave a row that is not finite")


def activates_rows(subject: TaskSubject) -> None:
    """`activate` keeps the shape, gives finite numbers, treats every row by itself."""
    task = subject.make()
    logits = subject.logits(task)
    try:
        whole = task.activate(read_only(logits))
    except ValueError as error:
        subject.refuse(f"activate cannot work on read-only arrays: {error}")
    if whole.shape != logits.shape or not np.isfinite(whole).all():
        subject.refuse(f"activate gave shape {whole.shape}, or numbers that are not finite")
    task.activate(logits)
    if not np.array_equal(logits, subject.logits(task)):
        subject.refuse("activate changes what it is given")
    for row in range(len(logits)):
        if not np.allclose(
            task.activate(logits[row : row + 1])[0], whole[row], rtol=1e-5, atol=1e-6
        ):
            subject.refuse(f"row {row} is activated in another way in a batch than alone")


def gives_results(subject: TaskSubject) -> None:
    """`result` gives a `TaskResult` of plain numbers and texts."""
    task = subject.make()
    for row in task.activate(subject.logits(task)):
        result = task.result(row)
        if not isinstance(result, TaskResult):
            subject.refuse(f"result gave {result!r:.60}")
        if result.label is None and result.labels is None and result.values is None:
            subject.refuse("result gave neither a label, nor labels, nor values")
        numbers = [*(result.scores or {}).values(), *(result.values or ()), result.score or 0.0]
        if not all(type(number) is float for number in numbers):
            subject.refuse(f"result gave numbers that are not of Python's own type: {result!r:.80}")


def loss_falls_towards_the_target(subject: TaskSubject) -> None:
    """A step down the gradient of `loss` lowers it; it is one finite number."""
    if importlib.util.find_spec("torch") is None:
        raise InapplicableError("torch is not installed: pip install 'sensorium[torch]'")
    import torch

    task = subject.make()
    rows = np.stack([task.target(value) for value in subject.targets])
    targets = torch.tensor(rows, dtype=torch.float32)
    logits = torch.zeros(targets.shape, requires_grad=True)
    loss = task.loss(logits, targets)
    if loss.shape != () or not torch.isfinite(loss):
        subject.refuse(f"loss gave {loss!r:.60}, not one finite number")
    loss.backward()
    gradient = logits.grad
    if gradient is None or not gradient.any():
        subject.refuse("loss has no gradient at raw outputs of zero")
    lower = task.loss(-1e-3 * gradient / gradient.norm(), targets)
    if not lower < loss:
        subject.refuse("a step down the gradient does not lower the loss")


#: All checks of a task, by name.
TASK_CHECKS: Final[Mapping[str, Callable[[TaskSubject], None]]] = {
    check.__name__: check
    for check in (
        declares_itself,
        config_is_strict,
        targets_are_rows,
        refuses_bad_targets,
        activates_rows,
        gives_results,
        loss_falls_towards_the_target,
    )
}


class TaskConformance(Conformance, kind="task", checks=TASK_CHECKS):
    """All checks of a task: set `plugin`, `targets`, and `config` where it needs one.

    Attributes
    ----------
    targets
        Values that a stream may carry as the truth, at least two different ones.
    """

    plugin: ClassVar[type[Task]]
    targets: ClassVar[Sequence[Any]] = ()

    @classmethod
    def make_subject(cls, folder: Path) -> TaskSubject:
        """The task with its targets."""
        return TaskSubject(cls.plugin, cls.configure(folder), cls.targets)
