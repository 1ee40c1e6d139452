"""deploy/compose.yaml, as far as it can be checked without a container engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_program import ComposeError, load_compose
from dockerfile_by_hand import DOCKERFILE, instructions
from go_programs import NoProgramError

import sensorium.demo

ROOT = Path(__file__).parents[3]
FILE = ROOT / "deploy" / "compose.yaml"
DEMO = Path(sensorium.demo.__file__).parent / "data"
SCRIPT = instructions(DOCKERFILE.read_text("utf-8"))
#: What is Sensorium's own.
OWN = ("topics", "producer", "engine")


@pytest.fixture(scope="module")
def model() -> dict[str, Any]:
    try:
        return load_compose(FILE)
    except NoProgramError as error:
        pytest.skip(str(error))


def test_compose_takes_it(model: dict[str, Any]) -> None:
    assert set(model["services"]) == {*OWN, "kafka", "prometheus", "grafana"}


@pytest.mark.usefixtures("model")
def test_compose_refuses_a_slip(tmp_path: Path) -> None:
    slip = tmp_path / "compose.yaml"
    slip.write_text(FILE.read_text("utf-8").replace("healthcheck:", "healthcheque:"), "utf-8")
    with pytest.raises(ComposeError, match="healthcheque"):
        load_compose(slip)


def test_whatever_is_mounted_is_there(model: dict[str, Any]) -> None:
    bound = [
        Path(volume["source"])
        for service in model["services"].values()
        for volume in service.get("volumes", ())
        if volume["type"] == "bind"
    ]
    assert bound
    assert [path for path in bound if not path.exists()] == []


def test_everything_listens_on_this_machine_only(model: dict[str, Any]) -> None:
    ports = [it for service in model["services"].values() for it in service.get("ports", ())]
    assert {it["host_ip"] for it in ports} == {"127.0.0.1"}


def test_own_containers_have_no_rights(model: dict[str, Any]) -> None:
    for name in OWN:
        service = model["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in service  # the image's


def test_the_target_is_in_the_dockerfile(model: dict[str, Any]) -> None:
    build = model["services"]["engine"]["build"]
    assert ROOT / build["dockerfile"] == DOCKERFILE
    targets = {rest.partition(" AS ")[2] for word, rest in SCRIPT if word == "FROM"}
    assert build["target"] in targets


@pytest.mark.parametrize("name", OWN)
def test_every_command_runs_as_far_as_the_broker(
    model: dict[str, Any], name: str, tmp_path: Path
) -> None:
    """With the paths of this place: the image's and the mounted ones are not here."""
    service = model["services"][name]
    pipeline = (ROOT / "deploy" / "pipelines" / "watch-kafka.yaml").read_text("utf-8")
    pipeline = pipeline.replace("/opt/sensorium/demo", str(DEMO))
    # A name that is never found, and no half minute of looking.
    pipeline = pipeline.replace('"kafka:9092"', '"kafka.invalid:9092", connect_timeout: 100ms')
    (tmp_path / "watch-kafka.yaml").write_text(pipeline, "utf-8")
    [entry] = [rest for word, rest in SCRIPT if word == "ENTRYPOINT"]
    command = [*(service.get("entrypoint") or json.loads(entry)), *service["command"]]
    assert command[:2] == ["tini", "--"]
    done = subprocess.run(
        [re.sub("/etc/sensorium|/tmp", str(tmp_path), it) for it in command[2:]],
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Kafka at kafka.invalid:9092" in done.stderr


def test_prometheus_loads_the_same_rules() -> None:
    configs = yaml.safe_load(FILE.read_text("utf-8"))["configs"]
    scraped = yaml.safe_load(configs["prometheus"]["content"])
    assert scraped["rule_files"] == ["rules.yaml"]
    [job] = scraped["scrape_configs"]
    assert job["job_name"] == "sensorium"
