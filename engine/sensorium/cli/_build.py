"""``sensorium build PIPELINE``: the Serve config file for `serve deploy` and a RayService."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sensorium.cli._arguments import add_pipeline, open_pipeline

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the parser of this command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "build",
        help="write the Ray Serve config file of a pipeline",
        description="Write the config file that `serve deploy` and a RayService take. Its "
        "arguments hold the topology; what may change while it runs is in user_config.",
    )
    add_pipeline(parser)
    parser.add_argument(
        "-o", dest="out", metavar="FILE", type=Path, help="where to; standard output if not given"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    import yaml

    pipeline, _ = open_pipeline(args)
    from sensorium.runtime.serve import build_config

    text = yaml.safe_dump(build_config(pipeline), sort_keys=False)
    if args.out is None:
        sys.stdout.write(text)
    else:
        args.out.write_text(text)
    return 0
