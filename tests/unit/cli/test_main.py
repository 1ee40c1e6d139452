import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sensorium import __version__
from sensorium.cli import main

Python = Callable[..., "subprocess.CompletedProcess[str]"]

HEAVY = {"torch", "ray", "kafka", "sklearn", "matplotlib", "tritonclient", "seglearn"}
IMPORTED = (
    "import sys\n{code}\nprint(' '.join(sorted({{m.partition('.')[0] for m in sys.modules}})))"
)


@pytest.mark.parametrize(
    ("code", "without"),
    [
        ("import sensorium", {"numpy", "pydantic", "pluggy", "yaml"}),
        ("from sensorium.cli import main; main(['--help'])", {"numpy", "pydantic", "yaml"}),
        ("from sensorium.cli import main; main(['run', '--help'])", {"numpy", "pydantic"}),
        ("from sensorium.cli import main; main(['plugins', 'list'])", set()),
        ("import sensorium.host", set()),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(
    python: Python, code: str, without: set[str]
) -> None:
    done = python(IMPORTED.format(code=code))
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.splitlines()[-1].split())
    assert imported & (HEAVY | without) == set()


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in ("demo", "run", "check", "schema", "plugins", "fit", "eval"):
        assert f"\n    {command} " in text
    assert "0 done, 1 failed while running, 2 wrong usage or configuration" in text


@pytest.mark.parametrize("command", ["demo", "run", "check", "schema", "plugins", "fit", "eval"])
def test_every_command_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"usage: sensorium {command}" in capsys.readouterr().out


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sensorium {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["walk"], ["run"], ["run", "p.yaml", "--exec", "x"]])
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "usage: sensorium" in capsys.readouterr().err


def test_an_error_is_printed_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = str(tmp_path / "no.yaml")
    assert main(["check", missing]) == 2
    assert capsys.readouterr().err == (
        f"sensorium: cannot read {missing}: No such file or directory\n"
    )
    assert main(["check", missing, "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err
    assert main(["--debug", "check", missing]) == 2
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("SENSORIUM_DEBUG", "1")
    assert main(["check", missing]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_command_of_another_distribution_is_run_by_its_name(
    greet: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["greet", "you"]) == 0
    assert capsys.readouterr().out == "hello you\n"


def test_a_command_of_another_distribution_is_not_loaded_otherwise(
    greet: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--help"]) == 0
    assert "commands of other distributions:\n  greet       greet-dist\n" in capsys.readouterr().out
    assert main(["schema"]) == 0
    assert "greet_module" not in sys.modules


def test_a_command_that_cannot_be_imported_is_named(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    install(
        "bad-dist", "[sensorium.commands]\nbad = broken_module\n", broken_module="import nope_x"
    )
    assert main(["bad"]) == 2
    assert capsys.readouterr().err == (
        "sensorium: the command 'bad' of bad-dist cannot be imported (broken_module): "
        "ModuleNotFoundError: No module named 'nope_x'\n"
    )


def test_an_object_that_is_no_command_is_refused(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    install("bad-dist", "[sensorium.commands]\nbad = broken_module\n", broken_module="")
    assert main(["bad"]) == 2
    assert "bad-dist (broken_module) has no add_parser and run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("raise KeyboardInterrupt", 130, ""),
        ("raise errors.RunError('the broker went away')", 1, "sensorium: the broker went away\n"),
        ("raise errors.ConfigError('no')", 2, "sensorium: no\n"),
        (
            "raise errors.MissingExtraError('gated', 'torch', 'torch')",
            2,
            "sensorium: gated needs torch, which is not installed: "
            "pip install 'sensorium[torch]'\n",
        ),
        (
            "1 / 0",
            1,
            "sensorium: unexpected ZeroDivisionError: division by zero\n"
            "Run it again with --debug for the traceback; please report it.\n",
        ),
        ("return 0", 0, ""),
    ],
)
def test_exit_codes(
    install: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    body: str,
    code: int,
    message: str,
) -> None:
    source = (
        "from sensorium import errors\n"
        "def add_parser(subparsers): return subparsers.add_parser('bad')\n"
        f"def run(args):\n    {body}\n"
    )
    install("bad-dist", "[sensorium.commands]\nbad = broken_module\n", broken_module=source)
    assert main(["bad"]) == code
    assert capsys.readouterr().err == message


def test_a_reader_that_goes_away_ends_it_quietly(python: Python) -> None:
    program = """
import os, sys
from sensorium.cli import main
reader, writer = os.pipe()
os.close(reader)
os.dup2(writer, 1)
sys.exit(main(["schema"]))
"""
    done = python(program)
    assert (done.returncode, done.stderr) == (141, "")
