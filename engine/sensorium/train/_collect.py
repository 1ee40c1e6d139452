"""Recordings to sets and targets, through the stages that serve them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from sensorium.align import Aligner
from sensorium.errors import ConfigError
from sensorium.events import AlignedSet, Event
from sensorium.host import Pipeline, PluginHost
from sensorium.plugin import Batch, Source
from sensorium.stages import (
    Heartbeat,
    Ingest,
    IngestStream,
    TargetStream,
    TargetValue,
    Wiring,
)
from sensorium.train._dataset import DataFile, Dataset, TargetEvent, join_targets, look_up

__all__ = ["collect", "collect_source", "data_file"]

_BY_SUFFIX: Final = {".mcap": "mcap", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_POLL: Final = 4096


def collect(
    pipeline: Pipeline,
    host: PluginHost,
    paths: Sequence[Path],
    clock: Callable[[], int] = time.time_ns,
) -> Dataset:
    """Run recordings through ingest and align, and join the targets.

    Each recording is a log of its own: nothing is aligned across two of them.

    Parameters
    ----------
    pipeline, host
        The pipeline and the plugins.
    paths
        Recordings: ``.mcap`` or ``.jsonl``.
    clock
        Gives the log time, in ns since the epoch, of records that carry none.

    Raises
    ------
    ConfigError
        If there is no recording, or one cannot be read.
    """
    if not paths:
        raise ConfigError("there is no data: name a recording with `--data FILE`")
    sets: list[AlignedSet] = []
    targets: dict[str, list[Any]] = {
        name: [] for name, part in pipeline.tasks.items() if part.target is not None
    }
    files, letters = [], 0
    for path in paths:
        files.append(data_file(path))
        part = collect_source(pipeline, _opener(host, path), clock)
        sets += part.sets
        letters += part.dead_letters
        for name, values in part.targets.items():
            targets[name] += values
    return Dataset(sets, targets, files, letters)


def collect_source(
    pipeline: Pipeline,
    open_source: Callable[[Sequence[str]], Source],
    clock: Callable[[], int],
) -> Dataset:
    """Read one source to its end, through ingest and align, and join the targets.

    Parameters
    ----------
    pipeline
        The pipeline.
    open_source
        Gives the source for a list of topics.
    clock
        As for `collect`.
    """
    modalities = pipeline.modalities()
    ingest = Ingest(
        {
            name: IngestStream(modalities[name], part.topic, Wiring(part.format, part.fields))
            for name, part in pipeline.streams.items()
        },
        targets={
            part.target.stream: TargetStream()
            for part in pipeline.tasks.values()
            if part.target is not None
        },
        clock=clock,
    )
    aligners: dict[int, Aligner] = {}
    sets: list[AlignedSet] = []
    values: list[TargetValue] = []
    letters = 0
    source = open_source(ingest.topics)
    try:
        for batch in _batches(source):
            ingested = ingest.read(batch.records)
            values += ingested.targets
            letters += len(ingested.letters)
            for partition, item in ingested.items:
                aligner = aligners.get(partition) or _aligner(pipeline, clock, aligners, partition)
                if isinstance(item, Event):
                    sets += aligner.add(item)
                elif isinstance(item, Heartbeat):
                    sets += aligner.heartbeat(item.stream, item.time, item.arrived, item.key)
                else:
                    sets += aligner.progress(item.stream, item.log_time)
            for (topic, partition), log_time in batch.progress.items():
                aligner = aligners.get(partition) or _aligner(pipeline, clock, aligners, partition)
                for stream in ingest.streams(topic):
                    sets += aligner.progress(stream, log_time)
    finally:
        source.close()
    for partition in sorted(aligners):
        sets += aligners[partition].close()
        letters += len(aligners[partition].take_late())
    return Dataset(sets, _targets(pipeline, sets, values), dead_letters=letters)


def data_file(path: Path) -> DataFile:
    """The digest of a recording.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
            size = file.tell()
    except OSError as error:
        raise ConfigError(f"cannot read the recording {path}: {error.strerror}") from error
    return DataFile(path, digest.hexdigest(), size)


def _batches(source: Source) -> Iterator[Batch]:
    while True:
        batch = source.poll(_POLL, 0.0)
        yield batch
        if batch.ended:
            return


def _aligner(
    pipeline: Pipeline, clock: Callable[[], int], aligners: dict[int, Aligner], partition: int
) -> Aligner:
    specs = {name: part.spec for name, part in pipeline.streams.items()}
    aligner = Aligner(pipeline.policy, specs, clock, pipeline.name, **pipeline.limits)
    aligners[partition] = aligner
    return aligner


def _targets(
    pipeline: Pipeline, sets: Sequence[AlignedSet], values: Sequence[TargetValue]
) -> dict[str, list[Any]]:
    joined = {}
    for name, part in pipeline.tasks.items():
        if part.target is None:
            continue
        events = []
        for value in values:
            if value.stream == part.target.stream:
                found = look_up(value.value, part.target.field)
                if found is not None:
                    events.append(TargetEvent(value.key, value.time, found))
        joined[name] = join_targets(sets, events)
    return joined


def _opener(host: PluginHost, path: Path) -> Callable[[Sequence[str]], Source]:
    name = _BY_SUFFIX.get(path.suffix)
    if name is None:
        raise ConfigError(
            f"cannot tell what {path} is from its name: a recording ends in "
            f"{' or '.join(sorted(_BY_SUFFIX))}"
        )
    cls = host.sources[name]
    try:
        # As JSON, where a path is a string even to a strict model.
        config = cls.Config.model_validate_json(json.dumps({"path": str(path)}))
    except ValidationError as error:
        raise ConfigError(f"the source {name!r} refuses {path}: {error}") from error
    return lambda topics: cls(config, topics)
