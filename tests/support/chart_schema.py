"""The schema of the Helm chart's values: its own, and the engine's, of the pipeline file.

``make chart`` writes it, and a test compares it.
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from sensorium.host import PluginHost, json_schema

Schema: TypeAlias = dict[str, Any]

FOLDER = Path(__file__).parents[2] / "helm"
SOURCE = FOLDER / "values.schema.yaml"
TARGET = FOLDER / "sensorium" / "values.schema.json"

#: Where a pipeline file names plugins: the definition, its key, and how a file gets there.
_NAMES = [
    ("StreamConfig", "modality", ["streams", "*"]),
    ("AlignConfig", "policy", ["align"]),
    ("FusionConfig", "plugin", ["fusion"]),
    ("TaskConfig", "type", ["tasks", "*"]),
    ("SourceConfig", "plugin", ["source"]),
    ("SinkConfig", "plugin", ["sink"]),
]


def render() -> str:
    """The whole schema, as the chart has it."""
    schema: Schema = yaml.safe_load(SOURCE.read_text("utf-8"))
    settings = schema["$defs"].pop("Settings")
    schema["properties"]["defaults"]["properties"] = settings
    schema["properties"]["pipelines"]["additionalProperties"]["properties"] |= settings
    schema |= _add_pipeline(schema["$defs"])
    return json.dumps(schema, indent=1) + "\n"


def _add_pipeline(definitions: Schema) -> Schema:
    """Add the engine's definitions; give what the root has to say of plugins' names.

    An image may have further plugins. So their names are not told where they stand, but in a
    condition of the root, which one value turns off; the options of a plugin that is not built in
    are open already.
    """
    pipeline = json_schema(_built_in())
    definitions |= pipeline.pop("$defs")
    # Helm's values have a `null` only where a default is taken away.
    definitions["Pipeline"] = {
        key: pipeline[key] for key in ("type", "properties", "required", "additionalProperties")
    }
    known: Schema = {}
    for definition, key, path in _NAMES:
        field = definitions[definition]["properties"][key]
        names = field.pop("enum")
        field["type"] = "string"
        _refine(known, [*path, key], {"enum": names})
    return {
        "if": {"properties": {"thirdPartyPlugins": {"const": False}}},
        "then": {
            "properties": {
                "pipelines": {"additionalProperties": {"properties": {"file": known}}}
            }
        },
    }  # fmt: skip


def _refine(schema: Schema, path: list[str], what: Schema) -> None:
    """Say something of what a path leads to; ``*`` is every key."""
    for step in path:
        if step == "*":
            schema = schema.setdefault("additionalProperties", {})
        else:
            schema = schema.setdefault("properties", {}).setdefault(step, {})
    schema |= what


def _built_in() -> PluginHost:
    """The built-in plugins, whatever else is installed here."""
    found = importlib.metadata.entry_points(group="sensorium")
    return PluginHost([it for it in found if it.dist is not None and it.dist.name == "sensorium"])


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
