"""The logs that a pipeline's source and sink are in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from sensorium.errors import ConfigError
from sensorium.host import Pipeline, resolve_secrets
from sensorium.plugin import Log, Logged, Sink, Source

__all__ = ["has_log", "open_log"]


def has_log(pipeline: Pipeline, end: Literal["source", "sink"]) -> bool:
    """Whether the pipeline's source or sink is in a log that commands can use."""
    plugin: object = pipeline.source if end == "source" else pipeline.sink
    return isinstance(plugin, Logged)


@contextmanager
def open_log(pipeline: Pipeline, end: Literal["source", "sink"]) -> Iterator[Log]:
    """The log of the pipeline's source or sink, closed at the end.

    Raises
    ------
    ConfigError
        If the pipeline names none, or the plugin has no log that commands can use.
    """
    plugin: type[Source] | type[Sink] | None = pipeline.source
    config = pipeline.source_config
    if end == "sink":
        plugin, config = pipeline.sink, pipeline.sink_config
    if plugin is None:
        raise ConfigError(f"there is no {end}: add one to the pipeline file", path=end)
    offered: object = plugin  # a class, that may offer more than its base class has
    if not isinstance(offered, Logged):
        raise ConfigError(
            f"the {end} {plugin.name!r} has no topics that this command could use; `kafka` has",
            path=f"{end}.plugin",
        )
    log = offered.open_log(resolve_secrets(config if config is not None else plugin.Config()))
    try:
        yield log
    finally:
        log.close()
