"""Which source and which sink a run has: the pipeline's own, or those of the command line."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from sensorium.errors import ConfigError
from sensorium.host import resolve_secrets
from sensorium.plugin import PluginConfig, Sink, Source

if TYPE_CHECKING:
    from sensorium.host import Pipeline, PluginHost

__all__ = ["open_sink", "open_source", "warn_of_moves"]

_LOG = logging.getLogger("sensorium.run")

P = TypeVar("P", Source, Sink)

_BY_SUFFIX = {".mcap": "mcap", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def open_source(
    pipeline: Pipeline, host: PluginHost, data: Path | None, speed: str | None
) -> Source:
    """The source of a run.

    Parameters
    ----------
    data
        A recording (``.mcap``), JSON lines (``.jsonl``) or ``-`` for JSON lines from standard
        input; None for the pipeline's own source.
    speed
        How fast a recording is replayed: ``"max"``, or a factor such as ``"1"``.

    Raises
    ------
    ConfigError
        If there is none, its kind is unknown, or it has no speed.
    """
    topics = [part.topic for part in pipeline.streams.values()]
    if data is None:
        if speed is not None:
            raise ConfigError("a speed is for a recording: name it with `--data RECORDING.mcap`")
        if pipeline.source is None:
            raise ConfigError(
                "there is no source: add one to the pipeline file or give `--data FILE`",
                path="source",
            )
        return pipeline.source(
            _resolved(pipeline.source, pipeline.source_config), list(dict.fromkeys(topics))
        )
    name = "jsonl" if str(data) == "-" else _BY_SUFFIX.get(data.suffix)
    if name is None:
        known = ", ".join(sorted(_BY_SUFFIX))
        raise ConfigError(f"cannot tell what {data} is from its name; known are {known} and '-'")
    values: dict[str, Any] = {"path": str(data)}
    if speed is not None:
        if name != "mcap":
            raise ConfigError(f"{data} has no log times to replay at a speed; record it as .mcap")
        values["speed"] = _speed(speed)
    # A recording may name its topics after the streams.
    topics += list(pipeline.streams)
    source = host.sources[name]
    return source(_configured(source, values), list(dict.fromkeys(topics)))


def open_sink(pipeline: Pipeline, host: PluginHost, sink: str | None) -> Sink:
    """The sink of a run.

    Parameters
    ----------
    sink
        ``-`` for JSON lines on standard output, a path for a file of them, None for the
        pipeline's own sink.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if sink is None:
        if pipeline.sink is None:
            raise ConfigError(
                "there is no sink: add one to the pipeline file or give `--sink -`", path="sink"
            )
        return pipeline.sink(_resolved(pipeline.sink, pipeline.sink_config))
    plugin = host.sinks["jsonl"]
    return plugin(_configured(plugin, {"path": sink}))


def warn_of_moves(source: Source) -> None:
    """Say what it means to write elsewhere than to the own sink, if the source keeps cuts."""
    if source.keeps_cuts:
        _LOG.warning(
            "what is read now is stored as done, although predictions do not go to the pipeline's "
            "own sink: whoever runs it next goes on from here. To look only, leave the group out: "
            "--set source.group=null"
        )


def _resolved(plugin: type[Source | Sink], config: PluginConfig | None) -> PluginConfig:
    return resolve_secrets(config if config is not None else plugin.Config())


def _configured(plugin: type[P], values: dict[str, Any]) -> PluginConfig:
    try:
        # As JSON, where a path is a string even to a strict model.
        return plugin.Config.model_validate_json(json.dumps(values))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{plugin.name} refuses `{where}`: {first['msg']}") from error


def _speed(text: str) -> float | str:
    try:
        return text if text == "max" else float(text)
    except ValueError:
        raise ConfigError(f"the speed {text!r} is neither `max` nor a factor such as 1") from None
