"""``sensorium run PIPELINE``: run it, on its source or on a recording."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any, Final

from sensorium.cli._arguments import add_logging, add_pipeline, open_pipeline

__all__ = ["add_parser", "run"]

_LOG: Final = logging.getLogger("sensorium.run")


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the parser of this command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "run",
        help="run a pipeline, on its source or on a recording",
        description="Run a pipeline. `--data FILE --sink -` runs it, unchanged, on a recording and "
        "prints the predictions.",
    )
    add_pipeline(parser)
    parser.add_argument(
        "--data", metavar="FILE", type=Path, help="read this recording instead of the source"
    )
    parser.add_argument(
        "--sink", metavar="FILE", help="write here instead of to the sink; - is standard output"
    )
    parser.add_argument(
        "--executor", choices=("local", "serve"), help="instead of the file's runtime.executor"
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="the Ray that the executor serve joins, or auto; one of its own if not given",
    )
    parser.add_argument(
        "--until-end", action="store_true", help="stop when all that is there now has been read"
    )
    parser.add_argument(
        "--speed",
        metavar="X",
        help="how fast a recording is replayed: a factor, 1 for as it was; as fast as possible "
        "if not given",
    )
    parser.add_argument(
        "--observe",
        metavar="HOST:PORT",
        type=_address,
        help="serve metrics and health there, instead of at the file's observe",
    )
    parser.add_argument(
        "--door",
        metavar="HOST:PORT",
        type=_address,
        help="answer single sets there, for trying, instead of at the file's door",
    )
    add_logging(parser)
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, as 127.0.0.1:9464")
    return host.removeprefix("[").removesuffix("]"), int(port)


def run(args: argparse.Namespace) -> int:
    """Run until the end, or until interrupted."""
    given = {"source": args.data, "sink": args.sink}
    pipeline, host = open_pipeline(args, [end for end, own in given.items() if own is not None])
    from sensorium.observe import logging_to
    from sensorium.operations import require_topics
    from sensorium.runtime import run_pipeline

    observe = pipeline.config.observe
    if args.observe is not None:
        from sensorium.host import ObserveConfig

        bind, port = args.observe
        observe = (observe or ObserveConfig()).model_copy(update={"bind": bind, "port": port})
    door = pipeline.config.door
    if args.door is not None:
        from sensorium.host import DoorConfig

        bind, port = args.door
        door = (door or DoorConfig()).model_copy(update={"bind": bind, "port": port})
    with logging_to(sys.stderr, args.log_format, args.log_level):
        if args.data is None:
            require_topics(pipeline)
        summary = run_pipeline(
            pipeline,
            host,
            data=args.data,
            sink=args.sink,
            executor=args.executor,
            address=args.address,
            until_end=args.until_end,
            speed=args.speed,
            observe=observe,
            door=door,
        )
        if summary.events and summary.fates.get("late") == summary.events:
            _LOG.warning(
                "every event was late: older, when it was logged, than its stream's `max_delay` "
                "allows. A record without a log time (`arrived` in JSON lines) counts as logged "
                "now: write it into the file, or raise `max_delay`"
            )
    if args.log_format == "json":
        return 0  # the log has said it
    width = max(len(name) for name, _ in summary.rows)
    for name, value in summary.rows:
        print(f"{name:{width}}  {value}", file=sys.stderr)
    return 0
