"""``sensorium demo [NAME]``: the main job on real input."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the parser of this command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "demo", help="show the main job on real input"
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="which demo; the first if left out")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the demo."""
    from sensorium.demo import run_demo

    return run_demo(args.name, as_json=args.json)
