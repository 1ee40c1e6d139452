"""How a plugin's failure is told: what, where, and never with the payload."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sensorium.errors import SensoriumError, UnavailableError

__all__ = ["Failure", "bisect", "explain", "failures_of", "raised"]

T = TypeVar("T")

_LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """One row of a micro-batch that a plugin could not handle; plain data, so that it may cross
    a process boundary.

    Parameters
    ----------
    row
        The row in the micro-batch.
    plugin, hook
        The plugin's name and the method: ``prepare``, ``encode``, ``fuse`` or ``result``.
    error
        The name of the exception's class.
    message
        What is wrong.
    passing
        Whether it may go well later, since it is not the row that is at fault.
    told
        Whether another failure's dead letter tells of it, so that it gets none of its own.
    """

    row: int
    plugin: str
    hook: str
    error: str
    message: str
    passing: bool = False
    told: bool = False


def explain(error: Exception, plugin: str, hook: str, *, withhold: bool) -> str:
    """Tell an exception in one line.

    Parameters
    ----------
    error
        What was raised.
    plugin, hook
        Where.
    withhold
        Whether the text of an exception that is not Sensorium's own is left out, since a library
        that is handed a payload is apt to quote it.
    """
    if isinstance(error, SensoriumError):
        return f"{plugin}.{hook}: {_short(error)}"
    text = "" if withhold else f": {_short(error)}"
    return f"{plugin}.{hook} {raised(error)}{text}"


def raised(error: Exception) -> str:
    """Which exception was raised where, without what it says: it is apt to quote a payload."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"raised {type(error).__name__}{where}"


def failures_of(
    rows: Iterable[int], error: Exception, plugin: str, hook: str, *, withhold: bool = False
) -> list[Failure]:
    """Failures of rows that failed together."""
    message = explain(error, plugin, hook, withhold=withhold)
    passing = isinstance(error, UnavailableError)
    return [Failure(int(row), plugin, hook, type(error).__name__, message, passing) for row in rows]


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "..."


def bisect(
    call: Callable[[int, int], T], start: int, stop: int
) -> Iterator[tuple[int, int, T | Exception]]:
    """Call for the rows ``[start, stop)``; where that raises, for each half, down to one row.

    Yields
    ------
    (start, stop, result or exception)
        In the order of rows, covering all of them; an exception is of a single row, but for an
        `UnavailableError`, which is of all the rows of its call: none of them is the culprit.
    """
    if start == stop:
        return
    outcome: T | Exception
    try:
        outcome = call(start, stop)
    except Exception as error:  # a plugin may raise anything
        if stop - start > 1 and not isinstance(error, UnavailableError):
            middle = (start + stop) // 2
            yield from bisect(call, start, middle)
            yield from bisect(call, middle, stop)
            return
        outcome = error
    yield start, stop, outcome
