"""``sensorium dlq list|show|replay PIPELINE``: the dead letters of a pipeline."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sensorium.cli._arguments import add_pipeline, open_pipeline
from sensorium.cli._table import print_table

if TYPE_CHECKING:
    from sensorium.host import Pipeline
    from sensorium.operations import StoredLetter

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the parser of this command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "dlq",
        help="list dead letters, show one, or send them again",
        description="The dead letters of a pipeline: the records that could not be used, with "
        "where they came from and why.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list them; payloads are not shown")
    showing = actions.add_parser("show", help="show one, with its payload")
    replaying = actions.add_parser(
        "replay",
        help="send the original records again",
        description="Send the original records again, to the topics and partitions that they came "
        "from, with their bytes, keys and headers; the header `sensorium-attempt` counts the "
        "tries. The log stamps them anew: an event that is older than its stream's max_delay by "
        "then is late, and in no set. A letter stays where it is, so replaying it twice sends it "
        "twice.",
    )
    for action in (listing, showing, replaying):
        add_pipeline(action)
    showing.add_argument("place", metavar="PLACE", help="PARTITION/OFFSET, as the list shows it")
    showing.add_argument(
        "--raw", action="store_true", help="write the original bytes to standard output"
    )
    replaying.add_argument(
        "places", metavar="PLACE", nargs="*", help="PARTITION/OFFSET, as the list shows them"
    )
    for action in (listing, replaying):
        action.add_argument("--stage", help="only those of this stage, as ingest")
        action.add_argument("--stream", help="only those of this stream")
        action.add_argument("--error", metavar="CLASS", help="only those with this error")
    replaying.add_argument("--all", action="store_true", help="every one of them")
    replaying.add_argument(
        "--dry-run", action="store_true", help="say what would be sent, and send nothing"
    )
    for action in (listing, showing, replaying):
        action.add_argument("--json", action="store_true", help="print one JSON object a line")
    return parser


def run(args: argparse.Namespace) -> int:
    """List, show or replay."""
    pipeline, _ = open_pipeline(args)
    if args.action == "list":
        return _list(args, pipeline)
    return _show(args, pipeline) if args.action == "show" else _replay(args, pipeline)


def _list(args: argparse.Namespace, pipeline: Pipeline) -> int:
    from sensorium.operations import read_dead_letters

    letters = read_dead_letters(pipeline, stage=args.stage, stream=args.stream, error=args.error)
    if args.json:
        for stored in letters:
            print(json.dumps(_fields(stored)))
        return 0
    rows = [("place", "written", "stage", "error", "stream", "key", "from", "tries", "message")]
    for stored in letters:
        letter = stored.letter
        rows.append(
            (
                stored.place,
                _when(stored.arrived),
                letter.stage,
                letter.error,
                letter.stream or "-",
                "-" if letter.key is None else letter.key,
                letter.origin or "-",
                str(letter.attempt),
                letter.message,
            )
        )
    if len(rows) == 1:
        print("no dead letters")
    else:
        print_table(rows)
    return 0


def _show(args: argparse.Namespace, pipeline: Pipeline) -> int:
    from sensorium.operations import read_dead_letters, readable
    from sensorium.wire import dead_letter_to_dict

    (stored,) = read_dead_letters(pipeline, places=[args.place])
    letter = stored.letter
    if args.raw:
        sys.stdout.flush()
        sys.stdout.buffer.write(letter.data or b"")
        return 0
    if args.json:
        print(json.dumps({"place": stored.place, **dead_letter_to_dict(letter)}))
        return 0
    fields = {**_fields(stored), "written": _when(stored.arrived)}
    for name, value in fields.items():
        print(f"{name + ':':<12}{'-' if value is None else value}")
    for name, header in letter.headers.items():
        print(f"header:     {name}: {readable(bytes(header))}")
    if letter.data is None:
        print("payload:    gone; the record may still be at its origin")
    else:
        print(f"payload:    {len(letter.data)} bytes\n{readable(letter.data)}")
    return 0


def _replay(args: argparse.Namespace, pipeline: Pipeline) -> int:
    from sensorium.errors import ConfigError
    from sensorium.operations import read_dead_letters, replay_dead_letters

    chosen = {"stage": args.stage, "stream": args.stream, "error": args.error}
    if not (args.places or args.all or any(chosen.values())):
        raise ConfigError(
            "say which: name places (PARTITION/OFFSET), filter with --stage, --stream or --error, "
            "or give --all"
        )
    letters = list(read_dead_letters(pipeline, places=args.places, **chosen))
    done = replay_dead_letters(pipeline, letters, dry_run=args.dry_run)
    for one in done:
        if args.json:
            print(json.dumps({**_fields(one.stored), "to": one.to, "problem": one.problem}))
        elif one.problem:
            print(f"{one.stored.place}: not sent: {one.problem}")
        else:
            sent = "would go" if args.dry_run else "sent"
            print(f"{one.stored.place}: {sent} to {one.to} (try {one.stored.letter.attempt + 1})")
    return _summary(args, pipeline, [one.stored for one in done if not one.problem], len(done))


def _summary(
    args: argparse.Namespace, pipeline: Pipeline, sent: Sequence[StoredLetter], asked: int
) -> int:
    from sensorium.operations import late_again

    late = late_again(pipeline, sent, time.time_ns)
    if late:
        print(
            f"{late} of them are older than their stream's max_delay: they will be late, and in no "
            "set, unless max_delay is raised",
            file=sys.stderr,
        )
    verb = "would be sent" if args.dry_run else "sent"
    print(f"{len(sent)} of {asked} {verb}", file=sys.stderr)
    return 0 if len(sent) == asked else 1


def _fields(stored: StoredLetter) -> dict[str, Any]:
    """What is known of a letter, without anything of its payload."""
    letter = stored.letter
    return {
        "place": stored.place,
        "written": stored.arrived,
        "stage": letter.stage,
        "plugin": letter.plugin,
        "error": letter.error,
        "message": letter.message,
        "stream": letter.stream,
        "key": letter.key,
        "time": letter.time,
        "origin": letter.origin,
        "attempt": letter.attempt,
    }


def _when(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest // 1_000_000:03}Z"
