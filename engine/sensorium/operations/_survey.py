"""When the events of a recording happened and when they were logged, for every stream and key."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sensorium.errors import ConfigError
from sensorium.events import Event
from sensorium.host import Pipeline, PluginHost
from sensorium.runtime import read_ingested

__all__ = ["Arrivals", "survey"]

_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The events of one stream and key, in the order of the log.

    Parameters
    ----------
    times, ends
        When they began and ended, in ns since the epoch, with the stream's offset.
    logged
        When the log took them, in ns since the epoch.
    """

    times: _Integers
    ends: _Integers
    logged: _Integers

    def __len__(self) -> int:
        return len(self.times)

    @property
    def delays(self) -> _Integers:
        """How long after its time each was logged: what ``max_delay`` is compared with; ns."""
        return self.logged - self.times

    @property
    def behind(self) -> _Integers:
        """How far each lies behind the newest one before it: what ``lateness`` is compared with;
        ns, and 0 for one that is the newest."""
        return np.maximum.accumulate(self.times) - self.times


def survey(
    pipeline: Pipeline, host: PluginHost, data: Path, clock: Callable[[], int] = time.time_ns
) -> Mapping[tuple[str, str], Arrivals]:
    """Read a recording through ingest, and note per stream and key when its events came.

    Parameters
    ----------
    pipeline, host
        The pipeline and the plugins.
    data
        ``.mcap`` or ``.jsonl``.
    clock
        Gives the log time, in ns since the epoch, of records that carry none.

    Returns
    -------
    mapping
        By stream and key.

    Raises
    ------
    ConfigError
        If there are no events.
    RunError
        If the recording cannot be read.
    """
    rows: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for ingested in read_ingested(pipeline, host, data, clock):
        for _, item in ingested.items:
            if isinstance(item, Event):
                offset = int(pipeline.streams[item.stream].spec.offset)
                row = (item.time + offset, item.end + offset, item.arrived or 0)
                rows.setdefault((item.stream, item.key), []).append(row)
    if not rows:
        raise ConfigError(f"{data} has no events of the pipeline's streams")
    return {
        place: Arrivals(*np.array(found, np.int64).reshape(-1, 3).T)
        for place, found in rows.items()
    }
