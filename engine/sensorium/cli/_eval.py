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
    parser.add_argument(
        "--held-out",
        action="store_true",
        help="test only the keys that were held out when the checkpoint was trained",
    )
    parser.add_argument(
        "--drop",
        metavar="SHARE",
        type=float,
        nargs="+",
        default=[0.1, 0.3, 0.5],
        help="test with each stream missing this often, too (default 0.1 0.3 0.5)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="what makes the drops reproducible (default 0)"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Evaluate and print the figures."""
    pipeline, host = open_pipeline(args, ("source", "sink"))
    from sensorium.train import evaluate, print_eval

    report = evaluate(
        pipeline,
        host,
        data=args.data,
        drop=args.drop,
        json_path=args.json,
        plots=args.plots,
        held_out=args.held_out,
        seed=args.seed,
    )
    print_eval(report)
    return 0
