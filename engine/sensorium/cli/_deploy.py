"""``sensorium deploy PIPELINE``: run it on a Ray cluster until it is removed."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from sensorium.cli._arguments import add_pipeline, open_pipeline

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the parser of this command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "deploy",
        help="run a pipeline on a Ray cluster until it is removed, or change the one there",
        description="Run a pipeline on the Ray cluster that this machine belongs to, until it is "
        "removed. Deployed again, a new checkpoint, deadline or batch size is taken up in place.",
    )
    add_pipeline(parser)
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        default="auto",
        help="the Ray cluster; the one that runs on this machine if not given",
    )
    parser.add_argument(
        "--remove", action="store_true", help="drain the pipeline that runs there and delete it"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Deploy, or remove."""
    pipeline, _ = open_pipeline(args)
    from sensorium.observe import logging_to
    from sensorium.operations import require_topics
    from sensorium.runtime.serve import cluster, deploy, remove

    if not args.remove:
        with logging_to(sys.stderr):
            require_topics(pipeline)
    with cluster(args.address) as there:
        if not args.remove:
            deploy(pipeline, there, say=lambda line: print(line, file=sys.stderr))
            return 0
        for summary in remove(pipeline):
            done = f"{summary.predictions:,} predictions, {summary.dead_letters:,} dead letters"
            print(f"{pipeline.name}: drained after {done}", file=sys.stderr)
    return 0
