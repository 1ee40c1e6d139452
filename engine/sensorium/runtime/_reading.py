"""A recording through ingest, for those who look at it and do not run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensorium.runtime._ends import open_source
from sensorium.runtime._intake import ingest_streams
from sensorium.stages import Ingest, Ingested, Progress

if TYPE_CHECKING:
    from sensorium.host import Pipeline, PluginHost

__all__ = ["read_ingested"]

_POLL: Final = 4096


def read_ingested(
    pipeline: Pipeline, host: PluginHost, data: Path, clock: Callable[[], int]
) -> Iterator[Ingested]:
    """Read a recording as `run_pipeline` does, up to what goes on to align.

    Parameters
    ----------
    pipeline, host
        The pipeline and the plugins.
    data
        ``.mcap``, ``.jsonl``, or ``-`` for JSON lines from standard input.
    clock
        Gives the log time, in ns since the epoch, of records that carry none.

    Yields
    ------
    Ingested
        Of each poll; the progress of partitions without records is among the items.

    Raises
    ------
    ConfigError
        If it cannot be told what the file is.
    RunError
        If it cannot be read.
    """
    ingest = Ingest(ingest_streams(pipeline), clock=clock)
    source = open_source(pipeline, host, data, None)
    try:
        ended = False
        while not ended:
            batch = source.poll(_POLL, 0.0)
            ended = batch.ended
            ingested = ingest.read(batch.records)
            for (topic, partition), log_time in batch.progress.items():
                for stream in ingest.streams(topic):
                    ingested.items.append((partition, Progress(stream, log_time)))
            yield ingested
    finally:
        source.close()
