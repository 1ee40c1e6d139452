"""A recording, written back to the topics of a pipeline."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sensorium.durations import INFINITY
from sensorium.errors import ConfigError, WireError
from sensorium.host import Pipeline, PluginHost
from sensorium.operations._logs import open_log
from sensorium.operations._shift import shifted
from sensorium.plugin import Log, Record, Source
from sensorium.wire import FieldMap, WireFormat

__all__ = ["Replayer", "Sent"]

_BATCH: Final = 500
_POLL_SECONDS: Final = 0.2
_FLUSH_NS: Final = 1_000_000_000


@dataclass
class Sent:
    """What was written to the log.

    Parameters
    ----------
    topics
        Records per topic.
    refused
        Records whose time could not be shifted, with the reason; they are not sent.
    behind
        How far the last record's own log time lay behind the clock when it was sent, in ns; None
        without records.
    """

    topics: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    behind: int | None = None

    @property
    def records(self) -> int:
        """All records."""
        return self.topics.total()


class Replayer:
    """Writes a recording to the topics of a pipeline's streams.

    Keys, headers, partitions and the producers' times are kept; the log stamps anew where it is
    the one that stamps.

    Parameters
    ----------
    pipeline
        Its source has to be in a log.
    host
        The installed plugins; `mcap` reads the recording.
    data
        An MCAP file, whose topics are those of the pipeline's streams, or their names.
    speed
        ``"max"``, or how many times as fast as it was recorded.
    to_now
        Whether event times are shifted so that the first record is logged now. Only envelopes can
        be.
    keep_partition
        Whether records keep their partition; else their keys decide.
    clock
        Gives the time in ns since the epoch.

    Raises
    ------
    ConfigError
        If the file is no recording, or the speed no speed.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        host: PluginHost,
        data: Path,
        *,
        speed: float | str = "max",
        to_now: bool = False,
        keep_partition: bool = True,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        if data.suffix != ".mcap":
            raise ConfigError(f"{data} is no recording that can be replayed: give an .mcap file")
        if isinstance(speed, float) and not 0 < speed < INFINITY:
            raise ConfigError(f"--speed is {speed:g}; it must be greater than 0, or max")
        self._pipeline = pipeline
        self._host = host
        self._data = data
        self._speed = speed
        self._to_now = to_now
        self._keep_partition = keep_partition
        self._clock = clock
        self._stopped = threading.Event()
        self._topics = _topics(pipeline)
        self._shift: int | None = None

    def run(self) -> Sent:
        """Send it all, or until `stop`; what was sent is safe then.

        Raises
        ------
        ConfigError
            If the source has no log.
        RunError
            If the recording cannot be read, or the log fails.
        """
        plugin = self._host.sources["mcap"]
        config = plugin.Config.model_validate({"path": str(self._data), "speed": self._speed})
        source = plugin(config, list(self._topics))
        try:
            with open_log(self._pipeline, "source") as log:
                return self._copy(source, log)
        finally:
            source.close()

    def stop(self, *, now: bool = False) -> None:
        """Finish with the records at hand; `now` makes no difference."""
        del now
        self._stopped.set()

    def _copy(self, source: Source, log: Log) -> Sent:
        done = Sent()
        flushed = self._clock()
        while not self._stopped.is_set():
            batch = source.poll(_BATCH, _POLL_SECONDS)
            for record in batch.records:
                self._write(record, log, done)
            if batch.ended:
                break
            if self._clock() - flushed > _FLUSH_NS:
                log.flush()
                flushed = self._clock()
        log.flush()
        return done

    def _write(self, record: Record, log: Log, done: Sent) -> None:
        topic, form, fields = self._topics[record.topic]
        arrived = record.arrived or 0
        if self._to_now:
            if self._shift is None:
                self._shift = self._clock() - arrived
            try:
                record = replace(
                    shifted(record, self._shift, form, fields), arrived=arrived + self._shift
                )
            except WireError as error:
                done.refused.append(f"{record.origin}: {error}")
                return
        log.write(replace(record, topic=topic), keep_partition=self._keep_partition)
        done.topics[topic] += 1
        done.behind = self._clock() - (arrived + (self._shift or 0))


def _topics(pipeline: Pipeline) -> dict[str, tuple[str, WireFormat, FieldMap]]:
    """Per topic of the recording where its records go, and how they are read."""
    parts = pipeline.streams.values()
    topics = {part.name: (part.topic, part.format, part.fields) for part in parts}
    for part in reversed(list(parts)):
        topics[part.topic] = (part.topic, part.format, part.fields)
    return topics
