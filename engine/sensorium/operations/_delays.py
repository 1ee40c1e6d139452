"""What share of the events a `max_delay` or a `lateness` would lose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from sensorium.durations import Duration
from sensorium.host import Pipeline
from sensorium.operations._survey import Arrivals

__all__ = ["LOSSES", "Losses", "losses"]

#: The shares for which the least setting is found.
LOSSES: Final = (0.1, 0.01, 0.001, 0.0)


@dataclass(frozen=True, slots=True)
class Losses:
    """What a setting of a stream would lose.

    Parameters
    ----------
    stream, setting
        Which one.
    events
        How many events there are.
    now
        The setting as it is, in ns.
    lost
        The share of the events that it loses.
    least
        For each of `LOSSES`, the least setting that loses no more than that; in ns.
    """

    stream: str
    setting: Literal["max_delay", "lateness"]
    events: int
    now: Duration
    lost: float
    least: Sequence[int]


def losses(pipeline: Pipeline, arrivals: Mapping[tuple[str, str], Arrivals]) -> list[Losses]:
    """What the settings of each stream lose, and which would lose less.

    Each setting is looked at alone. An event is behind if an earlier one of the log is newer, also
    where that is itself not counted; what a heartbeat or another key's progress would make late is
    not among it.
    """
    found = []
    for name, part in pipeline.streams.items():
        mine = [them for (stream, _), them in arrivals.items() if stream == name]
        if not mine:
            continue
        delays = np.concatenate([them.delays for them in mine])
        behind = np.concatenate([them.behind for them in mine])
        found += [
            _losses(name, "max_delay", delays, part.spec.max_delay),
            _losses(name, "lateness", behind, part.spec.lateness),
        ]
    return found


def _losses(
    stream: str,
    setting: Literal["max_delay", "lateness"],
    needed: npt.NDArray[np.int64],
    now: Duration,
) -> Losses:
    ordered = np.sort(needed)
    count = len(ordered)
    # The k-th least keeps k events: so many that the rest is at most the share.
    kept = [count - int(share * count) for share in LOSSES]
    return Losses(
        stream,
        setting,
        count,
        now,
        float((needed > now).mean()),
        [max(0, int(ordered[number - 1])) for number in kept],
    )
