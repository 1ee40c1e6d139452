"""``sensorium demo [NAME]``: the main job on real input."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sensorium.cli._arguments import positive, speed

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the parser of this command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "demo",
        help="show the main job on real input",
        description="Stream what the model has not seen, and keep score: the accelerometer and "
        "gyroscope of people doing shoulder exercises (watch, kafka), or digits that are shown, "
        "said and guessed (digits). Ctrl-C ends it at any time.",
    )
    parser.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        help="which demo: watch (if left out), digits, or kafka, which is watch through a broker",
    )
    parser.add_argument(
        "--json", action="store_true", help="print nothing but the figures, as one JSON object"
    )
    parser.add_argument(
        "--executor",
        default="local",
        choices=("local", "serve", "auto"),
        help="what runs it (default local); auto: serve, or local if no Ray can be started here",
    )
    parser.add_argument(
        "--model",
        help="of watch, stats (the default): window statistics and a small perceptron, or cnn: "
        "networks, with torch; of digits, gated",
    )
    parser.add_argument("--fit", action="store_true", help="train the model anew")
    _add_damage(parser)
    group = parser.add_argument_group("of the demo kafka")
    group.add_argument(
        "--bootstrap-servers", metavar="HOST:PORT", help="a broker that runs (else one is started)"
    )
    group.add_argument("--partitions", metavar="N", type=positive, help="of each topic (default 3)")
    group = parser.add_argument_group("of the demo digits")
    group.add_argument(
        "--real-speech",
        metavar="FOLDER",
        type=Path,
        help="play WAV files named digit_speaker_index.wav instead; nothing is seen or typed",
    )
    parser.add_argument(
        "--speed",
        metavar="X",
        type=speed,
        help="how many times as fast as it was, or max (default 10, of digits 5, on a terminal, "
        "else max; 1 of kafka)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="what makes it reproducible (default 0)"
    )
    return parser


def _add_damage(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what goes wrong between the devices and the log")
    group.add_argument(
        "--lose", metavar="SHARE", type=float, default=0.0, help="this share of events is lost"
    )
    group.add_argument(
        "--outage",
        metavar="SHARE",
        type=float,
        default=0.0,
        help="each stream of each device is silent for this share of the time",
    )
    group.add_argument(
        "--disorder",
        metavar="DURATION",
        default="200ms",
        help="events are delayed by up to this, so that they overtake each other (default 200ms)",
    )
    group.add_argument(
        "--shuffle-keys",
        action="store_true",
        help="the gyroscope, or microphone, is sent under the keys of other devices",
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo."""
    from sensorium.demo import run_demo

    return run_demo(
        args.name,
        as_json=args.json,
        executor=args.executor,
        model=args.model,
        fit=args.fit,
        lose=args.lose,
        outage=args.outage,
        disorder=args.disorder,
        shuffle_keys=args.shuffle_keys,
        speed=args.speed,
        seed=args.seed,
        bootstrap_servers=args.bootstrap_servers,
        partitions=args.partitions,
        real_speech=args.real_speech,
    )
