"""All that can be known of a pipeline before it runs, each finding with its fix."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel

from sensorium.durations import INFINITY, format_duration
from sensorium.errors import ConfigError, MissingExtraError, SensoriumError
from sensorium.host._checkpoint import read_checkpoint
from sensorium.host._delivery import delivery_problems, sharing_problems
from sensorium.host._door import door_token
from sensorium.host._pipeline import Pipeline
from sensorium.host._secrets import resolve_secrets, secret_references

__all__ = ["CHECKS", "Finding", "Level", "check_pipeline"]

Level: TypeAlias = Literal["error", "warning", "note"]

#: Which extra of sensorium brings a package that a plugin class names in `requires`.
_EXTRAS: Final = {
    "torch": ("torch", "torch"),
    "sklearn": ("scikit-learn", "train"),
    "PIL": ("Pillow", "image"),
    "librosa": ("librosa", "audio"),
    "soundfile": ("soundfile", "audio"),
    "soxr": ("soxr", "audio"),
    "av": ("av", "video"),
    "onnxruntime": ("onnxruntime", "sentence"),
    "tokenizers": ("tokenizers", "sentence"),
}
_SECRET_KEY: Final = re.compile(
    r"password|passwd|secret|token|api_?key|private_?key", re.IGNORECASE
)
#: Where a secret is to be had, not the secret itself.
_NO_SECRET_KEY: Final = re.compile(r"_(file|command|endpoint|url)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a pipeline.

    Parameters
    ----------
    level
        ``error``: it cannot run. ``warning``: it runs, but hardly as intended. ``note``: good to
        know.
    path
        Where, as a path into the pipeline file.
    message
        What there is.
    fix
        What to do about it.
    """

    level: Level
    path: str
    message: str
    fix: str


def check_pipeline(pipeline: Pipeline) -> list[Finding]:
    """Say all that can be known before running, errors first.

    Parameters
    ----------
    pipeline
        What `load_pipeline` gave; what is wrong with the file itself never gets here.
    """
    findings = [finding for check in CHECKS for finding in check(pipeline)]
    return sorted(findings, key=lambda finding: _ORDER.index(finding.level))


_ORDER: Final[tuple[Level, ...]] = ("error", "warning", "note")


def _packages(pipeline: Pipeline) -> Iterator[Finding]:
    """Packages that a plugin needs; a class may name modules in an attribute `requires`."""
    for path, cls in _classes(pipeline):
        for module in getattr(cls, "requires", ()):
            if importlib.util.find_spec(module) is None:
                package, extra = _EXTRAS.get(module, (module, ""))
                if extra:
                    message, _, fix = str(
                        MissingExtraError(f"{cls.name}", package, extra)
                    ).rpartition(": ")
                else:
                    message = f"{cls.name} needs {package}, which is not installed"
                    fix = f"pip install {package}"
                yield Finding("error", path, message, fix)


def _construction(pipeline: Pipeline) -> Iterator[Finding]:
    """Whether the plugins take each other: a fusion may refuse the features of a stream."""
    modalities = {}
    for name, part in pipeline.streams.items():
        try:
            modalities[name] = part.modality(part.config)
            _ = modalities[name].feature
        except (SensoriumError, ValueError) as error:
            yield Finding(
                "error", f"streams.{name}", str(error), f"change the config of {part.modality.name}"
            )
            return
    try:
        pipeline.fusion_for(modalities)
    except (SensoriumError, ValueError) as error:
        yield Finding("error", "fusion", str(error), "change the fusion or the streams' config")


def _checkpoint(pipeline: Pipeline) -> Iterator[Finding]:
    path = pipeline.checkpoint
    fit = f"sensorium fit PIPELINE --data FILE -o {path or 'CHECKPOINT'}"
    if path is None:
        yield Finding(
            "warning",
            "checkpoint",
            "none is named: whatever is to be learned starts from scratch",
            f"train one ({fit}) and name it",
        )
    elif not path.exists():
        yield Finding("error", "checkpoint", f"{path} does not exist", fit)
    else:
        try:
            read_checkpoint(path).require(pipeline.streams)
        except ConfigError as error:
            yield Finding("error", "checkpoint", error.message, f"train it again: {fit}")


def _executor(pipeline: Pipeline) -> Iterator[Finding]:
    """What the executor that the file names does not use."""
    if pipeline.config.runtime.executor == "serve":
        return
    sections: list[tuple[str, Any]] = [
        (f"streams.{name}", part) for name, part in pipeline.config.streams.items()
    ]
    for path, section in [*sections, ("fusion", pipeline.config.fusion)]:
        unused = [
            key for key in ("placement", "resources", "replicas") if key in section.model_fields_set
        ]
        if unused:
            yield Finding(
                "note",
                path,
                f"the local executor does not use {', '.join(unused)}",
                "set runtime.executor to serve, or take it out",
            )
    if "ingest" in pipeline.config.runtime.model_fields_set:
        yield Finding(
            "note",
            "runtime.ingest",
            "the local executor does not use it: each process is one",
            "set runtime.executor to serve, or take it out",
        )


def _delivery(pipeline: Pipeline) -> Iterator[Finding]:
    """Whether source and sink can do what `delivery` asks of them; nothing is opened."""
    source = sink = None
    if pipeline.source is not None and pipeline.source_config is not None:
        topics = list(dict.fromkeys(part.topic for part in pipeline.streams.values()))
        source = pipeline.source(pipeline.source_config, topics)
    if pipeline.sink is not None and pipeline.sink_config is not None:
        sink = pipeline.sink(pipeline.sink_config)
    problems = delivery_problems(pipeline, source, sink)
    if pipeline.config.runtime.executor == "serve":
        problems += sharing_problems(pipeline, source)
    for path, message, fix in problems:
        yield Finding("error", path, message, fix)
    drain = pipeline.config.runtime.drain
    if source is not None and drain >= source.max_poll_interval:
        longest = format_duration(source.max_poll_interval)
        yield Finding(
            "warning",
            "runtime.drain",
            f"what is in flight may take {format_duration(drain)} to be finished, and the group "
            f"goes on without a process that has not polled for {longest}: then nothing of it is "
            "committed",
            f"set it well below {longest}, or let the source wait longer",
        )


def _precision(pipeline: Pipeline) -> Iterator[Finding]:
    """Only torch can compute in fewer bits."""
    wanted: list[tuple[str, type[Any], str]] = [
        (f"streams.{name}", part.modality, pipeline.config.streams[name].precision)
        for name, part in pipeline.streams.items()
    ]
    wanted.append(("fusion", pipeline.fusion, pipeline.config.fusion.precision))
    for path, plugin, precision in wanted:
        if precision != "float32" and "torch" not in getattr(plugin, "requires", ()):
            yield Finding(
                "error",
                f"{path}.precision",
                f"{plugin.name} does not run in torch, and computes in float32",
                "leave it out, or choose a model that runs in torch",
            )


def _waiting(pipeline: Pipeline) -> Iterator[Finding]:
    """Sets that wait for ever, and deadlines that cut off what `lateness` would admit."""
    deadline = pipeline.policy.deadline
    for name, part in pipeline.streams.items():
        if deadline == INFINITY and part.spec.max_delay == INFINITY:
            yield Finding(
                "warning",
                f"streams.{name}.max_delay",
                f"with max_delay and align.deadline both inf, a silent {name} holds sets back "
                "without end",
                "set align.deadline or max_delay, as 10s",
            )
        if deadline < part.spec.lateness:
            yield Finding(
                "warning",
                "align.deadline",
                f"sets wait {format_duration(deadline)}, less than the lateness of {name} "
                f"({format_duration(part.spec.lateness)}): late events miss their set",
                f"set align.deadline to at least {format_duration(part.spec.lateness)}",
            )


def _windows(pipeline: Pipeline) -> Iterator[Finding]:
    """A hop beyond the size leaves gaps; the attributes are those of the policy ``window``."""
    size, hop = getattr(pipeline.policy, "size", None), getattr(pipeline.policy, "hop", None)
    if size is None or hop is None or hop <= size:
        return
    yield Finding(
        "warning",
        "align.hop",
        f"windows of {format_duration(size)} every {format_duration(hop)} leave out what lies "
        "between them",
        f"set hop to at most {format_duration(size)}",
    )


def _targets(pipeline: Pipeline) -> Iterator[Finding]:
    for name, part in pipeline.tasks.items():
        if part.target is None:
            yield Finding(
                "note",
                f"tasks.{name}",
                "has no target: `fit` cannot train it and `eval` cannot judge it",
                "add target: {stream: STREAM, field: FIELD}, where a recording holds the truth",
            )


def _ends(pipeline: Pipeline) -> Iterator[Finding]:
    if pipeline.source is None:
        yield Finding(
            "note", "source", "none is named", "name one, or give `run` a recording by --data FILE"
        )
    if pipeline.sink is None:
        yield Finding("note", "sink", "none is named", "name one, or give `run` one by --sink -")


def _secrets(pipeline: Pipeline) -> Iterator[Finding]:
    """References that lead nowhere here, and secrets that stand in the file."""
    for path, config in (("source", pipeline.source_config), ("sink", pipeline.sink_config)):
        if config is None:
            continue
        try:
            resolve_secrets(config)
        except ConfigError as error:
            yield Finding("warning", path, str(error), "provide it where the pipeline runs")
        for key, value in _leaves(config, path):
            named = _SECRET_KEY.search(key) and not _NO_SECRET_KEY.search(key)
            if named and value and not list(secret_references(value)):
                yield Finding(
                    "warning",
                    key,
                    "a secret seems to stand in the pipeline file",
                    "write ${env:NAME} or ${file:PATH} instead",
                )


def _door(pipeline: Pipeline) -> Iterator[Finding]:
    """A door that would not open here for want of its token."""
    if pipeline.config.door is None:
        return
    try:
        door_token(pipeline.config.door)
    except ConfigError as error:
        yield Finding("warning", error.path, error.message, "provide it where the pipeline runs")


def _leaves(config: BaseModel, path: str) -> Iterator[tuple[str, Any]]:
    """The paths and values of a configuration, and of the models in it."""
    for key, value in config:
        if isinstance(value, BaseModel):
            yield from _leaves(value, f"{path}.{key}")
        else:
            yield f"{path}.{key}", value


def _classes(pipeline: Pipeline) -> Iterator[tuple[str, type[Any]]]:
    for name, stream in pipeline.streams.items():
        yield f"streams.{name}.modality", stream.modality
    yield "align.policy", type(pipeline.policy)
    yield "fusion.plugin", pipeline.fusion
    for name, task in pipeline.tasks.items():
        yield f"tasks.{name}.type", type(task.task)
    if pipeline.source is not None:
        yield "source.plugin", pipeline.source
    if pipeline.sink is not None:
        yield "sink.plugin", pipeline.sink


#: What `check_pipeline` does, in this order.
CHECKS: Final[tuple[Callable[[Pipeline], Iterator[Finding]], ...]] = (
    _packages,
    _construction,
    _checkpoint,
    _executor,
    _delivery,
    _precision,
    _waiting,
    _windows,
    _targets,
    _ends,
    _secrets,
    _door,
)
