"""The page of the catalogue, made from the classes: ``python tests/support/catalogue_page.py``."""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import sensorium_plugins
from sensorium.durations import DurationField, format_duration

INTRODUCTION = """\
# The catalogue
The built-in modalities, fusions and tasks, with their configuration. This page is made from the
classes by `python tests/support/catalogue_page.py`, and a test compares it with them. In a pipeline
file a modality's options stand in the stream's `config`, a fusion's beside its `plugin`, and a
task's beside its `type`. `sensorium fit` trains every network here end to end, together with the
fusion, and takes streams from sets at random (modality dropout), so that every fusion learns to
answer without any of them; only `triton` ([triton.md](triton.md)) is trained elsewhere.

A plugin that needs packages names them: `pip install 'sensorium[torch]'` brings torch,
`'sensorium[image]'` Pillow, `'sensorium[video]'` PyAV, `'sensorium[audio]'` librosa, soundfile and
soxr, `'sensorium[sentence]'` onnxruntime, tokenizers and a model. A GPU is used where the stream's,
or the fusion's, `device` says so. How many items a second each modality encodes is in
[benchmarks.md](benchmarks.md).
"""


#: Packages that are imported by another name.
PACKAGES = {"PIL": "Pillow", "av": "PyAV"}


def render() -> str:
    """The whole page."""
    kinds: list[tuple[str, Sequence[type[Any]]]] = [
        ("Modalities", sensorium_plugins.sensorium_modalities()),
        ("Fusions", sensorium_plugins.sensorium_fusions()),
        ("Tasks", sensorium_plugins.sensorium_tasks()),
    ]
    parts = [INTRODUCTION]
    for heading, classes in kinds:
        parts.append(f"## {heading}\n")
        parts += [section(cls) for cls in sorted(classes, key=lambda cls: cls.name)]
    return "\n".join(parts)


def section(cls: type[Any]) -> str:
    """One plugin: what it says of itself, what it needs, its options."""
    said = [plain(part) for part in inspect.getdoc(cls).split("\n\n")]  # type: ignore[union-attr]
    needs = getattr(cls, "requires", ())
    if needs:
        said.append(f"Needs: {', '.join(PACKAGES.get(it, it) for it in needs)}.")
    said_of = meanings(cls.Config)
    rows = [
        f"| `{key}` | {kind_of(field.annotation, field.metadata)} | {default_of(field)} "
        f"| {said_of[key]} |"
        for key, field in cls.Config.model_fields.items()
    ]
    table = ["| option | type | default | meaning |", "|---|---|---|---|", *rows] if rows else []
    return "\n".join([f"### {cls.name}", *said, "", *table, ""])


def plain(text: str) -> str:
    """One line, with the code marks of Markdown."""
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


def meanings(config: type[Any]) -> dict[str, str]:
    """Per option, what the docstrings of the class and its bases say."""
    found: dict[str, str] = {}
    for cls in reversed(config.__mro__):
        doc = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
        _, _, parameters = doc.partition("Parameters\n----------\n")
        for names, text in re.findall(r"^(\w[\w, ]*)\n((?:    .+\n?)+)", parameters, re.MULTILINE):
            found |= dict.fromkeys(names.split(", "), plain(text))
    return found


def kind_of(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """A type as a user of YAML reads it."""
    if any(entry in metadata for entry in getattr(DurationField, "__metadata__", ())):
        return "duration"
    origin, given = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        return kind_of(given[0], given[1:])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in given)
    if origin in (typing.Union, types.UnionType):
        return kind_of(next(it for it in given if it is not type(None)))
    if origin is list:
        return f"list of {kind_of(given[0])}"
    if origin is dict:
        return f"{kind_of(given[0])}: {kind_of(given[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    names = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    return names.get(annotation, str(annotation))


def default_of(field: Any) -> str:
    """What counts where nothing is said."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None or value == "":
        return ""
    if kind_of(field.annotation, field.metadata) == "duration":
        return f"`{format_duration(value)}`"
    return f"`{json.dumps(value)}`" if not isinstance(value, str) else f"`{value}`"


if __name__ == "__main__":
    print(render(), end="")
