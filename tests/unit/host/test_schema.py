import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from sensorium.host import PluginHost, default_host, json_schema

jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema: pip install jsonschema")

Errors = Callable[..., list[str]]


@pytest.fixture
def errors(host: PluginHost, pipeline_text: str) -> Errors:
    """Validate the example with texts replaced; give the messages."""
    schema = json_schema(host)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)

    def run(*replacements: tuple[str, str]) -> list[str]:
        text = pipeline_text
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new, 1)
        return [error.message for error in validator.iter_errors(yaml.safe_load(text))]

    return run


def test_the_example_is_valid(errors: Errors) -> None:
    assert errors() == []


@pytest.mark.parametrize(
    "replacement",
    [
        ("toy-fusion", "toys:toy-fusion"),
        ("replicas: {min: 1, max: 4}", "replicas: 3"),
        ("size: 2s", "size: 2000000000"),
        ("sink: {plugin: toy-sink, topic: watch.predictions}", "sink: null"),
        ("dim: 32", "dim: 32, placement: replica"),
    ],
)
def test_other_ways_to_write_it_are_valid(errors: Errors, replacement: tuple[str, str]) -> None:
    assert errors(replacement) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rate: 50}", "rat: 50}", "'rat' was unexpected"),
        ("{channels: 3, shape", "{shape", "'channels' is a required property"),
        ("max_delay: 5s\n", "max_dely: 5s\n", "'max_dely' was unexpected"),
        ("dim: 32", "dom: 32", "'dom' was unexpected"),
        ("hop: 1s", "hopp: 1s", "'hopp' was unexpected"),
        ("size: 2s, ", "", "'size' is a required property"),
        ("labels:", "lables:", "'labels' is a required property"),
        ("toy-sensor", "toy-sensr", "'toy-sensr' is not one of ["),
        ("toy-fusion", "gated", "'gated' is not one of ["),
        ("executor: local", "executor: ray", "'ray' is not one of ["),
        ("max_delay: 5s\n", "max_delay: 5 parsecs\n", "'5 parsecs' is not valid"),
    ],
)
def test_a_slip_is_found(errors: Errors, old: str, new: str, message: str) -> None:
    assert any(message in found for found in errors((old, new))), errors((old, new))


def test_it_is_json() -> None:
    written = json.dumps(json_schema(default_host()), allow_nan=False)
    assert '"default": "inf"' in written


def test_every_plugin_is_described(host: PluginHost) -> None:
    schema = json_schema(host)
    written: Any = json.dumps(schema)
    assert "Sensor readings as their mean." in written
    for item in host.registered():
        assert f'"{item.kind}.{item.qualified}"' in written
    # Every reference leads somewhere.
    for reference in set(_references(schema)):
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for item in value.values() for found in _references(item)]
    if isinstance(value, list):
        return [found for item in value for found in _references(item)]
    return []
