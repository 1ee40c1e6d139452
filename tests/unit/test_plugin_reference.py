"""The plugin author's reference has every hook and every member of every base class."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from sensorium import hookspecs, plugin
from sensorium.testing import conformance

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()
HOOKS = [name for name in hookspecs.__all__ if name.startswith("sensorium_")]
CLASSES = [
    plugin.Modality,
    plugin.Fusion,
    plugin.Task,
    plugin.Policy,
    plugin.Matcher,
    plugin.View,
    plugin.Source,
    plugin.Sink,
    plugin.Assignee,
    plugin.Logged,
    plugin.Log,
    plugin.Trainable,
    plugin.Fittable,
    plugin.FusionFittable,
]


def signature(function: Any) -> str:
    """As it is written: annotations are strings, and lose their quotes."""
    return str(inspect.signature(function)).replace("'", "").replace('"', "")


def outline(cls: type[Any]) -> str:
    """The members of a class that a plugin author meets, in the order of the source."""
    lines = [f"class {cls.__name__}:"]
    if "__init__" in vars(cls):
        lines.append(f"    def __init__{signature(cls.__init__)}")  # type: ignore[misc]
    lines += [
        f"    {name}: {annotation}{_default(cls, name)}"
        for name, annotation in vars(cls).get("__annotations__", {}).items()
        if not name.startswith(("_", "model_")) and "ClassVar" in annotation
    ]
    for name, member in vars(cls).items():
        if name.startswith(("_", "model_")):
            continue
        if isinstance(member, classmethod):
            lines.append(f"    def {name}{signature(member.__get__(None, cls))}")
        elif isinstance(member, property):
            lines.append(f"    @property\n    def {name}{signature(member.fget)}")
        elif inspect.isfunction(member):
            lines.append(f"    def {name}{signature(member)}")
    return "\n".join(lines) + "\n"


def _default(cls: type[Any], name: str) -> str:
    if name not in vars(cls):
        return ""
    value = getattr(cls, name)
    return f" = {value.__name__ if isinstance(value, type) else repr(value)}"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_its_signature(hook: str):
    assert f"\n{hook}{signature(getattr(hookspecs, hook))}\n" in PAGE


def test_no_hook_is_documented_that_is_not_there():
    named = {line.partition("(")[0] for line in PAGE.splitlines() if line.startswith("sensorium_")}
    assert named == set(HOOKS)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_base_class_is_documented_with_its_members(cls: type[Any]):
    assert f"```text\n{outline(cls)}```" in PAGE


@pytest.mark.parametrize("name", plugin.__all__)
def test_every_public_name_of_the_plugin_api_is_documented(name: str):
    small = getattr(plugin, name)
    fields = getattr(small, "__dataclass_fields__", getattr(small, "_fields", None))
    if fields is not None:
        assert f"`{name}({', '.join(fields)})`" in PAGE
    else:
        assert any(mark in PAGE for mark in (f"`{name}`", f"`{name}(", f"class {name}:"))


@pytest.mark.parametrize(
    "kind", ["modality", "fusion", "task", "policy", "source", "sink", "observer"]
)
def test_every_check_of_the_kit_is_documented_with_its_promise(kind: str):
    checks = getattr(conformance, f"{kind.upper()}_CHECKS")
    rows = [f"| `{name}` | {check.__doc__.splitlines()[0]} |\n" for name, check in checks.items()]
    assert "".join([f"| {kind} | |\n|---|---|\n", *rows]) in PAGE
    assert f"| `{kind.capitalize()}Conformance` |" in PAGE


def test_the_version_that_the_page_describes_is_the_one_of_the_api():
    assert f"This page is version {plugin.API_VERSION} of the plugin API." in PAGE
