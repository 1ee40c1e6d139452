"""What in the chart is made from other files is as these are; little of it needs helm."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import chart_readme
import chart_schema
import jsonschema
import pytest
import ray
import yaml
from chart_values import values
from helm_program import CHART, HelmError

import sensorium

ROOT = Path(__file__).parents[3]


def test_the_schema_of_the_values_is_made_from_the_engines() -> None:
    assert chart_schema.TARGET.read_text("utf-8") == chart_schema.render(), "run make chart"


def test_the_readme_is_made_from_the_values() -> None:
    assert chart_readme.TARGET.read_text("utf-8") == chart_readme.render(), "run make chart"


@pytest.mark.parametrize("name", ["rules.yaml", "dashboard.json"])
def test_rules_and_dashboard_are_the_shipped_ones(name: str) -> None:
    shipped = ROOT / "deploy" / "observability" / name
    assert (CHART / "files" / name).read_bytes() == shipped.read_bytes(), "run make chart"


def test_every_value_says_what_it_means() -> None:
    assert chart_readme.undescribed() == []


def test_every_value_is_in_the_schema() -> None:
    """A value that the schema does not name would be refused; one that it alone names, ignored."""
    schema = json.loads(chart_schema.TARGET.read_text("utf-8"))
    defaults = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    jsonschema.Draft7Validator(schema).validate(defaults)
    jsonschema.Draft7Validator(schema).validate(defaults | values())
    assert set(schema["properties"]) - {"global"} == set(defaults)
    assert set(schema["properties"]["defaults"]["properties"]) == set(defaults["defaults"])


def test_versions_are_those_of_the_engine() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    defaults = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    assert chart["appVersion"] == sensorium.__version__
    assert defaults["ray"]["version"] == ray.__version__


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", chart_readme.TARGET.read_text("utf-8"))
    assert links
    assert [link for link in links if not (CHART / link).exists()] == []


def test_values_in_the_guide_are_values(render: Any) -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
    first, scaled, ray_mode = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
    kinds = {it["kind"] for it in render({**first, **scaled})}
    assert {"Deployment", "ScaledObject", "PodMonitor"} <= kinds
    camera = ray_mode["pipelines"]["watch"].pop("file")["streams"]
    ray_mode["pipelines"]["watch"] |= {"file": copy.deepcopy(first["pipelines"]["watch"]["file"])}
    ray_mode["pipelines"]["watch"]["file"]["streams"] |= camera
    ray_mode["pipelines"]["watch"]["secretEnv"] = first["pipelines"]["watch"]["secretEnv"]
    [service] = [it for it in render(ray_mode) if it["kind"] == "RayService"]
    groups = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert [it["groupName"] for it in groups] == ["cpu", "gpu-l4"]


def test_the_guide_shows_what_helm_says_of_a_slip(render: Any) -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
    [shown] = re.findall(r"```\nError: INSTALLATION FAILED: (.*?)\n```", text, re.DOTALL)
    with pytest.raises(HelmError) as refused:
        render(values(file__streams__accel__max_dely="5s"))
    assert shown in str(refused.value)
