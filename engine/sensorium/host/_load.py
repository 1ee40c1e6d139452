"""Composing a pipeline file with the classes and the configuration of the plugins."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from sensorium.errors import ConfigError, SensoriumError
from sensorium.host._config import (
    RESERVED,
    PipelineConfig,
    PluginSection,
    StreamConfig,
    TaskConfig,
)
from sensorium.host._document import Document, KeyPath, read_document
from sensorium.host._host import PluginHost, default_host
from sensorium.host._overrides import override
from sensorium.host._pipeline import Pipeline, StreamPart, Target, TaskPart
from sensorium.host._registry import Registry, UnknownPluginError
from sensorium.host._validate import Findings, near_match
from sensorium.plugin import Policy, StreamSpec

__all__ = ["load_pipeline"]

T = TypeVar("T")

#: `Fusion.fuse` takes the streams' features as keyword arguments next to its own.
_TAKEN_BY_FUSE = ("self", "present")


def load_pipeline(
    path: Path | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    plugins: PluginHost | None = None,
    replaced: Collection[str] = (),
) -> Pipeline:
    """Read and validate a pipeline file.

    Parameters
    ----------
    path
        The YAML file; or its content as a mapping, whose ``checkpoint`` is then relative to the
        working directory.
    overrides
        Texts as ``streams.accel.config.rate=100``, applied before anything is validated.
    plugins
        The plugins to compose it with; None for the installed ones.
    replaced
        ``"source"``, ``"sink"`` or both, where the caller brings its own: the file's is not
        looked at, so that its plugin need not be installed.

    Raises
    ------
    ConfigError
        With all errors of the file; `ConfigError.findings` has them one by one.
    """
    if isinstance(path, Mapping):
        document, folder = Document(copy.deepcopy(dict(path))), Path()
    else:
        document, folder = read_document(Path(path)), Path(path).parent
    document = override(document, overrides)
    if not isinstance(document.value, dict):
        raise ConfigError(f"{document.source} is not a mapping; see docs/pipeline.md")
    for section in replaced:
        document.value.pop(section, None)
    findings = Findings(document)
    config = findings.validate(PipelineConfig, document.value, ())
    composer = _Composer(findings, plugins or default_host())
    if config is None:
        # The plugins' parts are looked at all the same, so that one run shows every error.
        composer.survey(document.value)
        findings.raise_if_any()
    assert config is not None
    pipeline = composer.compose(config, folder)
    findings.raise_if_any()
    assert pipeline is not None
    return pipeline


class _Composer:
    """Looks up plugins and validates their parts; errors go to the findings."""

    def __init__(self, findings: Findings, host: PluginHost) -> None:
        self.findings = findings
        self.host = host

    def compose(self, config: PipelineConfig, folder: Path) -> Pipeline | None:
        """Everything put together; None if there was an error."""
        streams = [self.stream(name, part, config) for name, part in config.streams.items()]
        policy = self.policy(config.align.policy, config.align.own, list(config.streams))
        fusion = self.section("fusion", self.host.fusions, config.fusion.plugin, config.fusion.own)
        tasks = [self.task(name, part, config) for name, part in config.tasks.items()]
        source = self.optional("source", self.host.sources, config.source)
        sink = self.optional("sink", self.host.sinks, config.sink)
        if self.findings.errors or policy is None or fusion is None:
            return None
        return Pipeline(
            name=config.pipeline,
            streams={part.name: part for part in streams if part is not None},
            policy=policy,
            fusion=fusion[0],
            fusion_config=fusion[1],
            fusion_device=config.fusion.device,
            tasks={part.name: part for part in tasks if part is not None},
            source=source[0],
            source_config=source[1],
            sink=sink[0],
            sink_config=sink[1],
            checkpoint=None if config.checkpoint is None else folder / config.checkpoint,
            config=config,
        )

    def stream(self, name: str, part: StreamConfig, config: PipelineConfig) -> StreamPart | None:
        """One stream."""
        path: KeyPath = ("streams", name)
        if name in _TAKEN_BY_FUSE:
            self.findings.add("a stream cannot have this name; choose another", path)
        modality = self.look_up(self.host.modalities, part.modality, (*path, "modality"))
        if modality is None:
            return None
        if part.encode == "eager" and modality.per != "event":
            self.findings.add(
                f"{modality.name} encodes all that a set has of the stream as one: it cannot begin "
                "before the set has settled; leave `encode` out",
                (*path, "encode"),
            )
        own = self.findings.validate(modality.Config, part.config, (*path, "config"))
        if own is None:
            return None
        return StreamPart(
            name=name,
            topic=part.topic or name,
            modality=modality,
            config=own,
            spec=StreamSpec(
                lateness=part.lateness,
                max_delay=part.max_delay,
                max_future=part.max_future,
                max_duration=part.max_duration,
                offset=part.offset,
            ),
            format=part.format,
            fields=part.fields,
            device=part.device,
            batch_size=(part.batch or config.runtime.batch).size,
        )

    def policy(self, name: str, own: dict[str, Any], streams: Sequence[str]) -> Policy | None:
        """The alignment policy."""
        cls = self.look_up(self.host.policies, name, ("align", "policy"))
        if cls is None:
            return None
        policy = self.findings.validate(cls, own, ("align",), also=RESERVED["policy"])
        if policy is None or not self._requires_known(policy, streams):
            return None
        try:
            policy.check(streams)
        except ValueError as error:
            self.findings.add(str(error), ("align",))
            return None
        return policy

    def task(self, name: str, part: TaskConfig, config: PipelineConfig) -> TaskPart | None:
        """One task."""
        path: KeyPath = ("tasks", name)
        target = None
        if part.target is not None:
            target = Target(part.target.stream, part.target.field)
            if target.stream in config.streams:
                self.findings.add(
                    f"{target.stream!r} is one of the pipeline's streams, and a target must not "
                    "be among its inputs: name a stream that only the recording has",
                    (*path, "target", "stream"),
                )
        cls = self.look_up(self.host.tasks, part.type, (*path, "type"))
        if cls is None:
            return None
        own = self.findings.validate(cls.Config, part.own, path, also=RESERVED["task"])
        if own is None:
            return None
        try:
            task = cls(own)
        except (SensoriumError, ValueError) as error:
            self.findings.add(str(error), path)
            return None
        return TaskPart(name, task, target, part.weight)

    def optional(
        self, where: str, registry: Registry[Any], part: PluginSection | None
    ) -> tuple[type[Any], Any] | tuple[None, None]:
        """The source or the sink, if the file has one."""
        if part is None:
            return None, None
        return self.section(where, registry, part.plugin, part.own) or (None, None)

    def section(
        self, where: str, registry: Registry[Any], name: str, own: dict[str, Any]
    ) -> tuple[type[Any], Any] | None:
        """A plugin and its configuration, which stands inline."""
        cls = self.look_up(registry, name, (where, "plugin"))
        if cls is None:
            return None
        config = self.findings.validate(cls.Config, own, (where,), also=RESERVED[where])
        return None if config is None else (cls, config)

    def look_up(self, registry: Registry[T], name: str, path: KeyPath) -> type[T] | None:
        """A plugin's class by its name."""
        try:
            return registry[name]
        except UnknownPluginError as error:
            self.findings.add(str(error), path)
            return None

    def survey(self, raw: Mapping[str, Any]) -> None:
        """Validate the plugins' parts of a file whose own part is wrong, as far as they can be."""
        for name, part in _mappings(raw.get("streams")):
            if cls := self._named(self.host.modalities, part, "modality", ("streams", name)):
                self._survey(cls.Config, part.get("config", {}), ("streams", name, "config"))
        for name, part in _mappings(raw.get("tasks")):
            if cls := self._named(self.host.tasks, part, "type", ("tasks", name)):
                self._survey_inline(cls.Config, part, ("tasks", name), "task")
        for where, registry in self._inline_registries().items():
            section = raw.get(where)
            if isinstance(section, dict) and (
                cls := self._named(registry, section, "plugin", (where,))
            ):
                self._survey_inline(cls.Config, section, (where,), where)
        align = raw.get("align")
        if isinstance(align, dict) and (
            policy := self._named(self.host.policies, align, "policy", ("align",))
        ):
            self._survey_inline(policy, align, ("align",), "policy")

    def _inline_registries(self) -> dict[str, Registry[Any]]:
        host = self.host
        return {"fusion": host.fusions, "source": host.sources, "sink": host.sinks}

    def _named(
        self, registry: Registry[Any], part: Mapping[str, Any], key: str, path: KeyPath
    ) -> type[Any] | None:
        name = part.get(key)
        return self.look_up(registry, name, (*path, key)) if isinstance(name, str) else None

    def _survey_inline(
        self, model: type[BaseModel], part: Mapping[str, Any], path: KeyPath, kind: str
    ) -> None:
        own = {key: value for key, value in part.items() if key not in RESERVED[kind]}
        self.findings.validate(model, own, path, also=RESERVED[kind])

    def _survey(self, model: type[BaseModel], part: Any, path: KeyPath) -> None:
        if isinstance(part, dict):
            self.findings.validate(model, part, path)

    def _requires_known(self, policy: Policy, streams: Sequence[str]) -> bool:
        required = policy.require if isinstance(policy.require, list) else []
        unknown = [(i, name) for i, name in enumerate(required) if name not in streams]
        for i, name in unknown:
            message = f"there is no stream {name!r}; {near_match(name, streams)}"
            self.findings.add(message, ("align", "require", i))
        return not unknown


def _mappings(section: Any) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(section, dict):
        return []
    return [(name, part) for name, part in section.items() if isinstance(part, dict)]
