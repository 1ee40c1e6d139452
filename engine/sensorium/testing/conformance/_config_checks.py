"""What is asked of every class with a name, a version and a configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from sensorium.plugin import API_VERSION
from sensorium.testing.conformance._report import Subject

__all__ = ["declared", "strict"]


def declared(subject: Subject, plugin: Any) -> None:
    """Refuse a class without a name, a docstring or the right version."""
    if not getattr(plugin, "name", "") or plugin.api != API_VERSION:
        subject.refuse(f"name must be set and api be {API_VERSION}, not {plugin.api}")
    if not (plugin.__doc__ or "").strip():
        subject.refuse("it has no docstring, whose first line `plugins list` shows")


def strict(
    subject: Subject,
    model: type[BaseModel],
    config: Mapping[str, Any],
) -> None:
    """Refuse a configuration that takes unknown keys, can be changed, or does not survive JSON."""
    try:
        model.model_validate({**config, "no_such_option": 1})
    except ValidationError:
        pass
    else:
        subject.refuse("Config takes an unknown key without a word; base it on PluginConfig")
    made = model.model_validate(dict(config))
    if not made.model_config.get("frozen"):
        subject.refuse("Config can be changed after it was checked; base it on PluginConfig")
    # This is how it comes to a replica.
    again = model.model_validate_json(made.model_dump_json())
    if again != made:
        subject.refuse("Config is another one after a journey as JSON, which takes it to a replica")
    json.dumps(model.model_json_schema())
