"""``sensorium explain PIPELINE --data FILE --key K``: what happened to an event, and why."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import Any

from sensorium.cli._arguments import add_pipeline, duration, open_pipeline

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the parser of this command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "explain",
        help="say what happened to an event of a recording, and why",
        description="Run a recording through ingest and align, and say of one key what became of "
        "its events and why: of one event (--time and --stream), of one moment (--time), or of "
        "all. With -o it draws the timeline, too.",
    )
    add_pipeline(parser)
    parser.add_argument("--data", metavar="FILE", type=Path, required=True, help="the recording")
    parser.add_argument("--key", metavar="K", required=True, help="the entity")
    parser.add_argument(
        "--time",
        metavar="T",
        help="the moment: +12.5s after the key's first event, 2025-01-01T00:00:05Z, or ns",
    )
    parser.add_argument(
        "--stream", metavar="S", help="the event of this stream that is nearest to the moment"
    )
    parser.add_argument(
        "-o", dest="picture", metavar="PNG", type=Path, help="draw the timeline into this file"
    )
    parser.add_argument(
        "--around",
        metavar="DURATION",
        type=duration,
        help="how much to draw on either side of the moment (as much as its sets need)",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Explain."""
    pipeline, host = open_pipeline(args, ("source", "sink"))
    from sensorium.explain import draw, explain, read_story

    story = read_story(pipeline, host, args.data, args.key)
    around = None if args.around is None else int(args.around)
    explanation = explain(story, time=args.time, stream=args.stream, around=around)
    for line in explanation.lines:
        print(textwrap.fill(line, 100, subsequent_indent="    ", break_long_words=False))
    if args.picture is not None:
        draw(explanation, args.picture)
        print(f"drawn: {args.picture}")
    return 0
