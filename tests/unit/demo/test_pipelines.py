from pathlib import Path

import pytest

import sensorium_plugins
from sensorium.demo._train import DATA, MODELS
from sensorium.host import PluginHost, check_pipeline, load_pipeline

DEPLOYED = Path(__file__).parents[3] / "deploy" / "pipelines"


@pytest.mark.parametrize("name", MODELS.values())
def test_the_demo_runs_what_is_deployed(name: str) -> None:
    assert (DATA / name).read_text() == (DEPLOYED / name).read_text()


@pytest.mark.parametrize("name", MODELS.values())
def test_the_pipelines_pass_check(name: str) -> None:
    host = PluginHost(entry_points=(), modules=[sensorium_plugins])
    found = check_pipeline(load_pipeline(DEPLOYED / name, plugins=host))
    assert {item.path for item in found if item.level == "error"} <= {"checkpoint"}
