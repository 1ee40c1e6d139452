"""What a metric is at one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from sensorium.observe._histogram import Histogram

__all__ = ["Reading", "Readings"]


class Reading(NamedTuple):
    """The value of one series.

    Parameters
    ----------
    name
        The metric's, as in `METRICS`.
    labels
        The values of its labels, in their order, without the pipeline.
    value
        A number, or the counts of a histogram.
    """

    name: str
    labels: tuple[str, ...]
    value: float | Histogram


#: Gives all readings of a run as they are now; called from any thread.
Readings: TypeAlias = Callable[[], Iterable[Reading]]
