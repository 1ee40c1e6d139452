"""The plugin host: finds the installed plugins and keeps their classes by name."""

from __future__ import annotations

import functools
import importlib.metadata
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sensorium.hookspecs import PROJECT
from sensorium.host._observers import Observers
from sensorium.host._plugin import KINDS, LoadedPlugin, register_plugin
from sensorium.host._problem import Problem
from sensorium.host._registry import BUILTIN, Registered, Registry
from sensorium.plugin import Fusion, Modality, Policy, Sink, Source, Task

__all__ = ["PluginHost", "default_host"]

_UNKNOWN: Final = "(unknown distribution)"


class PluginHost:
    """The plugins of this process.

    Every entry point of the group ``sensorium`` is loaded by itself: one that fails is reported in
    `problems`, and the others are there all the same.

    Parameters
    ----------
    entry_points
        The entry points to load; None for those that are installed.
    modules
        Further plugins given as modules (or any objects with hooks), as a test does. Their
        distribution is the name of the top-level package.

    Attributes
    ----------
    modalities, fusions, tasks, policies, sources, sinks
        Per kind, a mapping of names to classes.
    plugins
        What was loaded.
    problems
        What is wrong with any of them.
    hook
        The observing hooks; see `sensorium.hookspecs`.
    """

    def __init__(
        self,
        entry_points: Iterable[importlib.metadata.EntryPoint] | None = None,
        modules: Sequence[object] = (),
    ) -> None:
        self.modalities: Registry[Modality] = Registry("modality")
        self.fusions: Registry[Fusion] = Registry("fusion")
        self.tasks: Registry[Task] = Registry("task")
        self.policies: Registry[Policy] = Registry("policy")
        self.sources: Registry[Source] = Registry("source")
        self.sinks: Registry[Sink] = Registry("sink")
        self.registries: dict[str, Registry[Any]] = dict(
            zip(
                KINDS,
                (
                    self.modalities,
                    self.fusions,
                    self.tasks,
                    self.policies,
                    self.sources,
                    self.sinks,
                ),
                strict=True,
            )
        )
        self.plugins: list[LoadedPlugin] = []
        self.problems: list[Problem] = []
        self._seen: list[object] = []
        if entry_points is None:
            entry_points = importlib.metadata.entry_points(group=PROJECT)
        for entry_point in sorted(entry_points, key=_built_ins_first):
            self._load(entry_point)
        for module in modules:
            name = getattr(module, "__name__", type(module).__name__)
            self._register(module, name, name.partition(".")[0], "")
        self.hook = Observers(self.plugins)

    def observes(self, what: str) -> bool:
        """Whether any plugin observes ``events``, ``sets``, ``predictions``, ``dead_letters``."""
        return self.hook.any(what)

    def registered(self) -> list[Registered[Any]]:
        """All classes with who brought them, by kind."""
        return [item for registry in self.registries.values() for item in registry.registered()]

    def _load(self, entry_point: importlib.metadata.EntryPoint) -> None:
        distribution, version = _distribution(entry_point)
        try:
            plugin = entry_point.load()
        except (Exception, SystemExit) as error:
            message = f"cannot be imported ({entry_point.value}): {type(error).__name__}: {error}"
            problem = Problem(entry_point.name, distribution, version, "", message)
            self._fail(problem)
            return
        self._register(plugin, entry_point.name, distribution, version)

    def _register(self, plugin: object, name: str, distribution: str, version: str) -> None:
        if any(plugin is other for other in self._seen):
            return
        self._seen.append(plugin)
        loaded = register_plugin(plugin, name, distribution, version)
        if isinstance(loaded, Problem):
            self._fail(loaded)
            return
        self.plugins.append(loaded)
        for item in loaded.classes():
            if isinstance(item, Problem):
                self._fail(item)
            elif clash := self.registries[item.kind].add(item):
                self.problems.append(loaded.problem("", clash))

    def _fail(self, problem: Problem) -> None:
        self.problems.append(problem)
        for registry in self.registries.values():
            registry.failed.append(problem)


@functools.cache
def default_host() -> PluginHost:
    """The host of the installed plugins, made once per process."""
    return PluginHost()


def _distribution(entry_point: importlib.metadata.EntryPoint) -> tuple[str, str]:
    dist = entry_point.dist
    if dist is None:
        return _UNKNOWN, ""
    return re.sub(r"[-_.]+", "-", dist.name).lower(), dist.version


def _built_ins_first(entry_point: importlib.metadata.EntryPoint) -> tuple[bool, str, str]:
    distribution, _ = _distribution(entry_point)
    return distribution != BUILTIN, distribution, entry_point.name
