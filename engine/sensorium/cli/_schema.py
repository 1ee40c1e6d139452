"""``sensorium schema``: the JSON Schema of a pipeline file, for an editor."""

from __future__ import annotations

import argparse
import json
from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the parser of this command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "schema",
        help="print the JSON Schema of a pipeline file",
        description="Print the JSON Schema of a pipeline file, with a section for every installed "
        "plugin, so that an editor completes it.",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Print the schema."""
    from sensorium.host import default_host, json_schema

    print(json.dumps(json_schema(default_host()), indent=2))
    return 0
