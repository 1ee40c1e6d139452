"""The JSON Schema of a pipeline file, with a section for every installed plugin."""

from __future__ import annotations

import copy
from typing import Any, Final, TypeAlias

from pydantic import BaseModel

from sensorium.durations import INFINITY
from sensorium.host._config import PipelineConfig
from sensorium.host._host import PluginHost
from sensorium.host._registry import Registered, Registry

__all__ = ["json_schema"]

Schema: TypeAlias = dict[str, Any]

#: Per kind, the definition of its section and the key that names the plugin.
_INLINE: Final = {
    "fusion": ("FusionConfig", "plugin"),
    "task": ("TaskConfig", "type"),
    "policy": ("AlignConfig", "policy"),
}
_NO_KEYWORDS: Final = frozenset({"gt", "ge", "lt", "le"})


def json_schema(host: PluginHost) -> Schema:
    """The JSON Schema (2020-12) of a pipeline file.

    Which keys a section takes depends on the plugin that it names; each installed plugin has its
    branch (``if`` it is named, ``then`` its keys), so that an editor completes them and refuses
    others.
    """
    schema = PipelineConfig.model_json_schema()
    definitions: Schema = schema["$defs"]
    _add_modalities(definitions, host.modalities)
    for kind, (section, key) in _INLINE.items():
        definitions[section] = _inline(
            definitions, definitions[section], host.registries[kind], key
        )
    # Sources and sinks share a model of the file, but not their plugins.
    base = definitions.pop("PluginSection")
    for kind in ("source", "sink"):
        name = f"{kind.capitalize()}Config"
        definitions[name] = _inline(definitions, base, host.registries[kind], "plugin")
        definitions[name]["title"] = name
        schema["properties"][kind]["anyOf"][0] = {"$ref": f"#/$defs/{name}"}
    whole: Schema = _plain(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **schema,
            "title": "Sensorium pipeline",
        }
    )
    return whole


def _plain(value: Any) -> Any:
    """Leave what JSON has: an endless duration is the text ``inf``.

    Bounds of a duration go: pydantic writes them in words that are none of JSON Schema's.
    """
    if isinstance(value, dict):
        return {
            key: _plain(item)
            for key, item in value.items()
            if not (key in _NO_KEYWORDS and isinstance(item, int | float))
        }
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return "inf" if value == INFINITY else value


def _add_modalities(definitions: Schema, registry: Registry[Any]) -> None:
    """A stream's ``config`` is its modality's."""
    stream = definitions["StreamConfig"]
    stream["properties"]["modality"] = _choice(stream["properties"]["modality"], registry)
    branches = []
    for item in registry.registered():
        name = _define(definitions, item, item.cls.Config)
        then: Schema = {"properties": {"config": {"$ref": f"#/$defs/{name}"}}}
        if definitions[name].get("required"):
            then["required"] = ["config"]
        branches.append(_branch("modality", registry.names(item), then))
    stream["allOf"] = branches


def _inline(definitions: Schema, section: Schema, registry: Registry[Any], key: str) -> Schema:
    """A section that holds a plugin's keys beside the engine's."""
    own = copy.deepcopy(section)
    own.pop("additionalProperties", None)
    branches = []
    for item in registry.registered():
        model = item.cls if registry.kind == "policy" else item.cls.Config
        definition = definitions[_define(definitions, item, model)]
        then = copy.deepcopy(definition)
        then["properties"] = {**own["properties"], **definition.get("properties", {})}
        then["required"] = [*own.get("required", ()), *definition.get("required", ())]
        then["additionalProperties"] = False
        branches.append(_branch(key, registry.names(item), then))
    own["properties"][key] = _choice(own["properties"][key], registry)
    own["allOf"] = branches
    return own


def _define(definitions: Schema, item: Registered[Any], model: type[BaseModel]) -> str:
    """Put a plugin's model among the definitions, under a name that no other has."""
    prefix = f"{item.kind}.{item.qualified}"
    own = model.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}")
    for name, definition in own.pop("$defs", {}).items():
        definitions[f"{prefix}.{name}"] = definition
    if "$ref" in own:
        # A model that refers to itself is a reference to its own definition.
        return str(own["$ref"]).removeprefix("#/$defs/")
    own["description"] = item.description or own.get("description", "")
    definitions[prefix] = own
    return prefix


def _choice(field: Schema, registry: Registry[Any]) -> Schema:
    names = sorted({name for item in registry.registered() for name in registry.names(item)})
    return {**{key: field[key] for key in ("title", "description") if key in field}, "enum": names}


def _branch(key: str, names: list[str], then: Schema) -> Schema:
    return {"if": {"properties": {key: {"enum": names}}, "required": [key]}, "then": then}
