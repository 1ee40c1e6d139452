"""``sensorium eval PIPELINE --data FILE...``: judge it on recordings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sensorium.cli._arguments import add_pipeline, add_recordings, open_pipeline

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the parser of this command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "eval",
        help="judge a pipeline on recordings",
        description="Judge a pipeline on recordings: each modality alone, all together, and with "
        "modalities dropped.",
    )
    add_pipeline(parser)
    add_recordings(parser)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures as JSON")
    parser.add_argument("--plots", metavar="DIR", type=Path, help="write plots into this folder")
    return parser


def run(args: argparse.Namespace) -> int:
    """Evaluate and print the figures."""
    pipeline, host = open_pipeline(args)
    from sensorium.train import evaluate, print_eval

    print_eval(evaluate(pipeline, host, data=args.data, json_path=args.json, plots=args.plots))
    return 0
