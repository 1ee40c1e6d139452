"""Pipelines from topic to topic in this process, with models that have learned nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sensorium_plugins
from sensorium.host import PluginHost, load_pipeline
from sensorium.runtime import LocalExecutor, Models, RunSummary

__all__ = ["executor_of", "run_to_end"]


def executor_of(
    fields: Mapping[str, Any],
    *,
    until_end: bool = False,
    observers: Sequence[Any] = (),
    clock: Callable[[], int] = time.time_ns,
) -> LocalExecutor:
    """What runs a pipeline file's fields, with these observers and by this clock."""
    host = PluginHost(entry_points=[], modules=[sensorium_plugins, *observers])
    pipeline = load_pipeline(dict(fields), plugins=host)
    modalities = pipeline.modalities()
    for modality in modalities.values():
        modality.load("cpu", None)
    fusion = pipeline.fusion_for(modalities)
    fusion.load("cpu", None)
    assert pipeline.source is not None
    assert pipeline.sink is not None
    topics = [stream.topic for stream in pipeline.streams.values()]
    source = pipeline.source(pipeline.source_config, topics, clock=clock)
    sink = pipeline.sink(pipeline.sink_config)
    models = Models(modalities, fusion)
    return LocalExecutor(
        pipeline, host, source, sink, models=models, until_end=until_end, clock=clock
    )


def run_to_end(fields: Mapping[str, Any]) -> RunSummary:
    """Run it until every topic has been read to its present end."""
    return executor_of(fields, until_end=True).run()
