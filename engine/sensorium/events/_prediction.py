"""What leaves on the right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sensorium.events._fate import Absence
from sensorium.sealed import sealed

__all__ = ["Prediction", "TaskResult"]


@sealed
@dataclass(frozen=True, slots=True)
class TaskResult:
    """The output of one task for one set.

    Parameters
    ----------
    label
        The most probable label of a classification, the labels above the threshold of a
        multi-label task joined in `labels`, or None for a regression.
    score
        The probability of `label`.
    scores
        The probability of every label.
    labels
        The labels above the threshold, of a multi-label task.
    values
        The values of a regression.
    contributions
        How much each stream that was there counted, summing to 1, where the fusion reports it.
    """

    label: str | None = None
    score: float | None = None
    scores: Mapping[str, float] | None = None
    labels: tuple[str, ...] | None = None
    values: tuple[float, ...] | None = None
    contributions: Mapping[str, float] | None = None


@sealed
@dataclass(frozen=True, slots=True)
class Prediction:
    """What the pipeline says of one aligned set.

    Parameters
    ----------
    id
        The id of the set: the same set gives the same id in every run.
    pipeline
        The pipeline's name.
    key, time
        The entity, and the event time of the set in ns since the epoch.
    tasks
        Per task, its output.
    members
        Per stream that was there, the origins of its events (their ids where there is none).
    absent
        Per stream that was not, the reason.
    unsettled
        Streams that had not settled when the deadline forced the set out.
    revision
        0, or 1 for the revision that follows it.
    model
        The identity of the model: the digest of its checkpoint.
    """

    id: str
    pipeline: str
    key: str
    time: int
    tasks: Mapping[str, TaskResult]
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absent: Mapping[str, Absence] = field(default_factory=dict)
    unsettled: frozenset[str] = frozenset()
    revision: int = 0
    model: str = ""
