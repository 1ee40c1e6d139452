"""The command line, one module per command.

A command is anything with ``add_parser(subparsers)`` and ``run(args) -> int``; a distribution adds
its own by an entry point of the group ``sensorium.commands``, which is loaded when the command is
called by its name, and never otherwise.
"""

from sensorium.cli._main import COMMAND_GROUP, Command, main

__all__ = ["COMMAND_GROUP", "Command", "main"]
