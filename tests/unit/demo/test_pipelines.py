from pathlib import Path

import pytest

import sensorium_plugins
from sensorium.demo import DEMOS
from sensorium.demo._demos import DATA
from sensorium.host import PluginHost, check_pipeline, load_pipeline

FILES = [file for demo in DEMOS.values() for file in demo.models.values()]
DEPLOYED = Path(__file__).parents[3] / "deploy" / "pipelines"


@pytest.mark.parametrize("name", FILES)
def test_the_demo_runs_what_is_deployed(name: str) -> None:
    assert (DATA / name).read_text() == (DEPLOYED / name).read_text()


@pytest.mark.parametrize("name", FILES)
def test_the_pipelines_pass_check(name: str) -> None:
    host = PluginHost(entry_points=(), modules=[sensorium_plugins])
    found = check_pipeline(load_pipeline(DEPLOYED / name, plugins=host))
    assert {item.path for item in found if item.level == "error"} <= {"checkpoint"}
