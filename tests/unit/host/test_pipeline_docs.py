import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from sensorium.durations import parse_duration
from sensorium.host._config import (
    DoorConfig,
    FusionConfig,
    ObserveConfig,
    PipelineConfig,
    RuntimeConfig,
    StreamConfig,
    TaskConfig,
)
from sensorium.host._document import parse_yaml

DOCS = (Path(__file__).parents[3] / "docs" / "pipeline.md").read_text()


def documented(heading: str) -> dict[str, str]:
    """The keys of the table under a heading, and their defaults."""
    section = DOCS.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([\w.]+)` \| (.+?) \|", section, re.MULTILINE))


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Top level", PipelineConfig),
        ("`streams.NAME`", StreamConfig),
        ("`fusion`", FusionConfig),
        ("`tasks.NAME`", TaskConfig),
        ("`door`", DoorConfig),
    ],
)
def test_every_key_is_documented(heading: str, model: type[BaseModel]) -> None:
    table = documented(heading)
    assert list(table) == list(model.model_fields)
    for key, field in model.model_fields.items():
        assert (table[key] == "required") == field.is_required(), key
        if isinstance(field.default, str):
            assert table[key] == f"`{field.default}`"
        elif isinstance(field.default, int):
            shown = table[key].strip("`")
            assert (int(shown) if shown.isdecimal() else parse_duration(shown)) == field.default


def test_the_keys_of_runtime_and_observe_are_documented() -> None:
    assert list(documented("`runtime` and `observe`")) == [
        *(f"runtime.{key}" for key in RuntimeConfig.model_fields),
        *(f"observe.{key}" for key in ObserveConfig.model_fields),
    ]


def test_the_example_is_a_pipeline_file() -> None:
    example = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)[0]
    config = PipelineConfig.model_validate(parse_yaml(example).value, strict=False)
    assert config.streams["gyro"].replicas.max == 4
    assert config.align.own["hop"] == "1s"
