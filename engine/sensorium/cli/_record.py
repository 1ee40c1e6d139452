"""``sensorium record PIPELINE -o FILE``: record the topics of a pipeline."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sensorium.cli._arguments import add_pipeline, duration, open_pipeline

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the parser of this command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "record",
        help="record the topics of a pipeline into a file",
        description="Record the topics of a pipeline's streams, and of its targets that are there, "
        "into an MCAP file, beside whatever reads them: it joins no group and commits nothing. "
        "Ctrl-C ends it, and the file is whole.",
    )
    add_pipeline(parser)
    parser.add_argument(
        "-o", dest="output", metavar="FILE", type=Path, required=True, help="the file to make"
    )
    parser.add_argument(
        "--for", dest="duration", metavar="DURATION", type=duration, help="how long, as 10m"
    )
    parser.add_argument(
        "--until-end", action="store_true", help="stop when all that is there now is recorded"
    )
    parser.add_argument(
        "--start",
        choices=("earliest", "latest"),
        help="where to begin in the topics (latest; with --until-end earliest)",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Record; the exit code is 1 if a record could not be."""
    pipeline, _ = open_pipeline(args)
    from sensorium.durations import INFINITY, format_duration
    from sensorium.operations import Recorder
    from sensorium.runtime import stop_on_signals

    recorder = Recorder(
        pipeline,
        args.output,
        start=args.start or ("earliest" if args.until_end else "latest"),
        until_end=args.until_end,
        duration=INFINITY if args.duration is None else args.duration,
    )
    with stop_on_signals(recorder):
        done = recorder.run()
    for reason in done.refused:
        print(f"not recorded: {reason}", file=sys.stderr)
    for topic, count in sorted(done.topics.items()):
        print(f"{topic}: {count} records", file=sys.stderr)
    span = format_duration((done.last or 0) - (done.first or 0))
    print(f"{args.output}: {done.records} records over {span} of log time", file=sys.stderr)
    return 1 if done.refused else 0
