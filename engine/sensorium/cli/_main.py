"""The entry of the command line: finds the command, runs it, and turns errors into exit codes."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, Final, Protocol

from sensorium import __version__
from sensorium.errors import ConfigError, PluginError, SensoriumError

__all__ = ["COMMAND_GROUP", "Command", "main"]

#: The entry-point group of further commands.
COMMAND_GROUP: Final = "sensorium.commands"

_COMMANDS: Final = (
    "demo",
    "run",
    "check",
    "schema",
    "plugins",
    "fit",
    "eval",
    "explain",
    "topics",
    "dlq",
    "record",
    "replay",
    "build",
    "deploy",
)
_DONE, _FAILED, _USAGE = 0, 1, 2
_BROKEN_PIPE, _INTERRUPTED = 141, 130
_EXIT_CODES = """\
exit codes:
  0 done, 1 failed while running, 2 wrong usage or configuration
"""


class Command(Protocol):
    """A command: a module or an object with these two."""

    def add_parser(self, subparsers: Any) -> argparse.ArgumentParser:
        """Add the command's own parser to argparse's subparsers, and return it."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; return the exit code."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv
        The arguments; None for those of the process.

    Returns
    -------
    int
        0: done. 1: failed while running. 2: wrong usage or configuration. 130: interrupted.
        141: the reader of the output went away.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = os.environ.get("SENSORIUM_DEBUG", "") not in ("", "0") or "--debug" in arguments
    try:
        code = _dispatch(arguments)
        # What is left in the buffer may find that the reader has gone.
        sys.stdout.flush()
    except SystemExit as stop:
        # argparse leaves this way: 0 after --help, 2 after a wrong argument.
        return stop.code if isinstance(stop.code, int) else _DONE
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes once more at its end, and must find somebody listening.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except (ConfigError, PluginError) as error:
        return _report(error, _USAGE, debug)
    except Exception as error:
        return _report(error, _FAILED, debug)
    return code


def _dispatch(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="sensorium",
        description="A plugin-based streaming inference engine for multimodal events.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"sensorium {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = next((argument for argument in arguments if not argument.startswith("-")), None)
    commands: dict[str, Command] = {}
    for name in _COMMANDS:
        commands[name] = importlib.import_module(f"sensorium.cli._{name}")
    if named is not None and named not in commands:
        commands.update(_third_party(named))
    for command in commands.values():
        added = command.add_parser(subparsers)
        added.allow_abbrev = False
        # After the command, too; only the one before it has a default.
        added.add_argument(
            "--debug",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show the traceback of an error",
        )
    if named is None:
        parser.epilog = _further_commands() + _EXIT_CODES
    args = parser.parse_args(arguments)
    return commands[args.command].run(args)


def _third_party(name: str) -> dict[str, Command]:
    """The command of another distribution by this name, if there is one."""
    from importlib.metadata import entry_points

    for entry_point in entry_points(group=COMMAND_GROUP, name=name):
        where = f"the command {name!r} of {entry_point.dist.name if entry_point.dist else '?'}"
        try:
            command = entry_point.load()
        except Exception as error:
            raise PluginError(
                f"{where} cannot be imported ({entry_point.value}): {type(error).__name__}: {error}"
            ) from error
        if not (callable(getattr(command, "add_parser", None)) and hasattr(command, "run")):
            raise PluginError(f"{where} ({entry_point.value}) has no add_parser and run")
        return {name: command}
    return {}


def _further_commands() -> str:
    """The commands of other distributions, for the help; none of them is loaded."""
    from importlib.metadata import entry_points

    lines = [
        f"  {entry_point.name:<12}{entry_point.dist.name if entry_point.dist else ''}\n"
        for entry_point in sorted(entry_points(group=COMMAND_GROUP), key=lambda item: item.name)
        if entry_point.name not in _COMMANDS
    ]
    return "".join(["commands of other distributions:\n", *lines, "\n"]) if lines else ""


def _report(error: Exception, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    elif isinstance(error, SensoriumError):
        print(f"sensorium: {error}", file=sys.stderr)
    else:
        print(
            f"sensorium: unexpected {type(error).__name__}: {error}\n"
            "Run it again with --debug for the traceback; please report it.",
            file=sys.stderr,
        )
    return code
