"""``sensorium replay PIPELINE --data FILE``: write a recording back to the topics."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sensorium.cli._arguments import add_pipeline, open_pipeline, speed

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the parser of this command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "replay",
        help="write a recording back to the topics of a pipeline",
        description="Write a recording back to the topics of a pipeline's streams, with its keys, "
        "headers, partitions and times. A log that stamps records itself stamps them anew: what "
        "lies further back than its stream's max_delay is late there, unless --now moves it.",
    )
    add_pipeline(parser)
    parser.add_argument(
        "--data", metavar="FILE", type=Path, required=True, help="the recording (MCAP)"
    )
    parser.add_argument(
        "--speed",
        metavar="X",
        type=speed,
        help="a factor, 1 for as it was, or max (default max; with --now 1)",
    )
    parser.add_argument(
        "--now",
        action="store_true",
        help="move all times, so that the recording begins now; for envelopes",
    )
    parser.add_argument(
        "--by-key",
        action="store_true",
        help="choose partitions by key, as producers do, instead of keeping the recorded ones",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Replay; the exit code is 1 if a record could not be sent."""
    pipeline, host = open_pipeline(args)
    from sensorium.durations import format_duration
    from sensorium.operations import Replayer
    from sensorium.runtime import stop_on_signals

    replayer = Replayer(
        pipeline,
        host,
        args.data,
        speed=args.speed or (1.0 if args.now else "max"),
        to_now=args.now,
        keep_partition=not args.by_key,
    )
    with stop_on_signals(replayer):
        done = replayer.run()
    for reason in done.refused:
        print(f"not sent: {reason}", file=sys.stderr)
    for topic, count in sorted(done.topics.items()):
        print(f"{topic}: {count} records", file=sys.stderr)
    latest = max(part.spec.max_delay for part in pipeline.streams.values())
    if done.behind is not None and done.behind > latest:
        print(
            f"the recording lies {format_duration(done.behind // 10**9 * 10**9)} back: where the "
            "log stamps records, they are late; --now moves their times",
            file=sys.stderr,
        )
    print(f"{done.records} records sent", file=sys.stderr)
    return 1 if done.refused else 0
