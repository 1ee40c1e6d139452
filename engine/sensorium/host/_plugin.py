"""One plugin: loaded by itself, so that its faults are its own."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pluggy
from pydantic import BaseModel

from sensorium import hookspecs
from sensorium.host._config import RESERVED
from sensorium.host._problem import Problem
from sensorium.host._registry import Registered
from sensorium.plugin import API_VERSION, Fusion, Modality, Policy, Sink, Source, Task

__all__ = ["CLASS_HOOKS", "KINDS", "LoadedPlugin", "register_plugin"]

#: Per kind, the base class of what its hook returns.
KINDS: Final[dict[str, type[Any]]] = {
    "modality": Modality,
    "fusion": Fusion,
    "task": Task,
    "policy": Policy,
    "source": Source,
    "sink": Sink,
}
#: The hooks that return classes, and the kind of these.
CLASS_HOOKS: Final[dict[str, str]] = {
    "sensorium_modalities": "modality",
    "sensorium_fusions": "fusion",
    "sensorium_tasks": "task",
    "sensorium_policies": "policy",
    "sensorium_sources": "source",
    "sensorium_sinks": "sink",
}
_HOOKS: Final = tuple(name for name in hookspecs.__all__ if name.startswith("sensorium_"))
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin that was loaded and whose hooks fit.

    Parameters
    ----------
    name
        The name of its entry point.
    distribution, version
        The installed distribution that brings it; the version is empty for a module given by hand.
    hooks
        The names of the hooks that it implements.
    manager
        A pluggy manager that holds this plugin alone: one that raises cannot keep another from
        being called.
    """

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...]
    manager: pluggy.PluginManager

    def problem(self, hook: str, message: str) -> Problem:
        """A problem of this plugin."""
        return Problem(self.name, self.distribution, self.version, hook, message)

    def classes(self) -> Iterator[Registered[Any] | Problem]:
        """Call the hooks that return classes; what is no proper class is a problem."""
        for hook, kind in CLASS_HOOKS.items():
            if hook not in self.hooks:
                continue
            try:
                [returned] = getattr(self.manager.hook, hook)() or [()]
            except Exception as error:
                yield self.problem(hook, f"raised {type(error).__name__}: {error}")
                continue
            if not isinstance(returned, Sequence) or isinstance(returned, str):
                yield self.problem(hook, f"returned {returned!r}; it must be a list of classes")
                continue
            for cls in returned:
                fault = _fault(cls, kind)
                if fault:
                    yield self.problem(hook, fault)
                else:
                    yield Registered(
                        kind, cls.name, cls, self.name, self.distribution, self.version
                    )


def register_plugin(
    plugin: object, name: str, distribution: str, version: str
) -> LoadedPlugin | Problem:
    """Check a plugin's hooks against `sensorium.hookspecs` by pluggy."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name=name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        message = " ".join(str(error).split())
        return Problem(name, distribution, version, _hook_at_fault(message), _hint(message))
    callers = manager.get_hookcallers(plugin) or []
    if not callers:
        return Problem(
            name,
            distribution,
            version,
            "",
            "has no hook: mark functions of the module with @sensorium.hookimpl, named as one of "
            + ", ".join(_HOOKS),
        )
    hooks = tuple(hook for hook in _HOOKS if hook in {caller.name for caller in callers})
    return LoadedPlugin(name, distribution, version, hooks, manager)


def _hook_at_fault(message: str) -> str:
    match = re.search(r"\bhook '(\w+)'", message)
    return match[1] if match else ""


def _hint(message: str) -> str:
    if "unknown hook" not in message:
        return message
    near = difflib.get_close_matches(_hook_at_fault(message), _HOOKS, n=1)
    return message + (f"; did you mean {near[0]}?" if near else f"; there are {', '.join(_HOOKS)}")


def _fault(cls: object, kind: str) -> str | None:
    """What keeps a class from being used, if anything."""
    base = KINDS[kind]
    if not isinstance(cls, type):
        return f"returned {cls!r}, which is not a class; return the class, not an instance"
    where = f"{cls.__module__}.{cls.__qualname__}"
    if not issubclass(cls, base):
        return f"{where} is not a subclass of sensorium.{base.__name__}"
    # The version comes first: another one may well have other methods.
    api = getattr(cls, "api", None)
    if api != API_VERSION:
        return (
            f"{where} is written for version {api!r} of the plugin API; this engine speaks "
            f"version {API_VERSION}: install a release of the plugin that does, too"
        )
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        return (
            f"{where} has no proper name, but {name!r}: set the class attribute `name` to a text "
            "of letters, digits, '-', '_' and '.'"
        )
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        return f"{where} is abstract: it does not define {missing}"
    return _config_fault(cls, kind, where)


def _config_fault(cls: type[Any], kind: str, where: str) -> str | None:
    model = cls if kind == "policy" else getattr(cls, "Config", None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return f"{where}.Config is not a subclass of sensorium.PluginConfig"
    if model.model_config.get("extra") != "forbid":
        return f"{where} takes unknown keys: derive its Config from sensorium.PluginConfig"
    taken = sorted(RESERVED[kind] & model.model_fields.keys())
    if taken:
        return f"{where} has a field {taken[0]!r}, a key of the engine in the same section"
    return None
