"""``sensorium fit PIPELINE --data FILE... -o CHECKPOINT``: train it on recordings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sensorium.cli._arguments import add_pipeline, add_recordings, open_pipeline

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the parser of this command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "fit",
        help="train a pipeline on recordings",
        description="Train a pipeline on the very sets that it will be served, and write the "
        "weights with a model card.",
    )
    add_pipeline(parser)
    add_recordings(parser)
    parser.add_argument(
        "-o", "--output", metavar="CHECKPOINT", type=Path, required=True, help="the file to write"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="what makes it reproducible (default 0)"
    )
    parser.add_argument(
        "--epochs", type=int, default=60, help="the most passes over the data (default 60)"
    )
    parser.add_argument(
        "--learning-rate",
        metavar="RATE",
        type=float,
        default=1e-3,
        help="of training by gradient (default 0.001)",
    )
    parser.add_argument(
        "--modality-dropout",
        metavar="SHARE",
        type=float,
        default=0.3,
        help="how often each stream is left out of a set in training, so that the model does "
        "without (default 0.3)",
    )
    parser.add_argument(
        "--validation",
        metavar="SHARE",
        type=float,
        default=0.2,
        help="the share of the keys that is held out (default 0.2)",
    )
    parser.add_argument(
        "--group",
        metavar="REGEX",
        help="keeps keys on one side of the split: its first group names what they belong to",
    )
    parser.add_argument(
        "--licence", metavar="SPDX", help="for the model card, as an SPDX identifier"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Train and write the checkpoint."""
    pipeline, host = open_pipeline(args, ("source", "sink"))
    from sensorium.train import fit, print_fit

    report = fit(
        pipeline,
        host,
        data=args.data,
        output=args.output,
        seed=args.seed,
        epochs=args.epochs,
        learning_rate=args.learning_rate,
        modality_dropout=args.modality_dropout,
        validation=args.validation,
        group=args.group,
        licence=args.licence,
    )
    print_fit(report)
    return 0
