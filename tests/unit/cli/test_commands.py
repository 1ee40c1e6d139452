import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sensorium.cli import main

pytestmark = pytest.mark.usefixtures("site")


def test_check_prints_findings_with_their_fix(
    pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(pipeline)]) == 0
    text = capsys.readouterr().out
    assert "warning: checkpoint: none is named: whatever is to be learned" in text
    assert "    fix: train one (sensorium fit PIPELINE --data FILE -o CHECKPOINT)" in text
    assert text.endswith("toy: 0 errors, 1 warning\n")


def test_check_exits_with_2_if_there_is_an_error(
    pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(pipeline), "--set", "checkpoint=none.safetensors"]) == 2
    text = capsys.readouterr().out
    assert text.startswith("error: checkpoint: ")
    assert text.endswith("toy: 1 error, 0 warnings\n")


def test_check_shows_every_error_of_the_file(
    pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.write_text(pipeline.read_text().replace("size:", "sise:").replace("channels", "chan"))
    assert main(["check", str(pipeline)]) == 2
    assert capsys.readouterr().err == (
        f"sensorium: {pipeline} has 4 errors:\n"
        "  streams.accel.config.chan (line 3): unknown key; did you mean `channels`?\n"
        "  streams.accel.config.channels (line 3): is required\n"
        "  align.sise (line 4): unknown key; did you mean `size`?\n"
        "  align.size (line 4): is required\n"
    )


def test_check_warns_of_a_broken_plugin(
    pipeline: Path, install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    install("bad-dist", "[sensorium]\nbad = broken_module\n", broken_module="import nope_x")
    assert main(["check", str(pipeline)]) == 0
    assert "warning: plugin bad of bad-dist 1.2: cannot be imported" in capsys.readouterr().err


def test_schema_prints_the_installed_plugins_sections(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "modality.cli-toys:cli-sensor" in schema["$defs"]


def test_plugins_list_names_what_is_installed_and_what_is_broken(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    install("bad-dist", "[sensorium]\nbad = broken_module\n", broken_module="import nope_x")
    assert main(["plugins", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["modality", "cli-sensor", "cli-toys", "1.2", "Toy", "readings."] in [
        line.split() for line in lines
    ]
    assert (
        "plugin toys of cli-toys 1.2: sensorium_fusions, sensorium_modalities, "
        "sensorium_policies, sensorium_tasks"
    ) in lines
    assert lines[-1].startswith("  plugin bad of bad-dist 1.2: cannot be imported")


def test_plugins_list_prints_json(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    install("bad-dist", "[sensorium]\nbad = broken_module\n", broken_module="import nope_x")
    assert main(["plugins", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {
        "kind": "fusion",
        "name": "cli-join",
        "distribution": "cli-toys",
        "version": "1.2",
        "description": "Toy fusion.",
    } in listed["classes"]
    assert "bad-dist" in [problem["distribution"] for problem in listed["problems"]]


def test_plugins_show_prints_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "show", "cli-sensor"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["name:", "cli-sensor"] in lines
    assert ["class:", "cli_toys_module.Sensor"] in lines
    assert ["channels", "integer", "required", "How", "many."] in lines
    assert ["rate", "number", "default", "50.0"] in lines
    assert main(["plugins", "show", "cli-toys:cli-join"]) == 0
    assert "config:       takes no keys" in capsys.readouterr().out
    assert main(["plugins", "show", "cli-slice", "--json"]) == 0
    assert "size" in json.loads(capsys.readouterr().out)[0]["config"]["properties"]


def test_plugins_show_answers_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "show", "cli-sensr"]) == 2
    assert "no plugin brings 'cli-sensr'; did you mean 'cli-sensor'?" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["9464", ":9464", "localhost:", "localhost:99999"])
def test_run_takes_an_address_to_observe_at(
    pipeline: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(pipeline), "--observe", address]) == 2
    assert f"{address!r} is not HOST:PORT, as 127.0.0.1:9464" in capsys.readouterr().err
