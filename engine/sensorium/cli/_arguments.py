"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensorium.durations import Duration
    from sensorium.host import Pipeline, PluginHost

__all__ = [
    "add_logging",
    "add_pipeline",
    "add_recordings",
    "duration",
    "open_pipeline",
    "positive",
    "speed",
]


def add_pipeline(parser: argparse.ArgumentParser) -> None:
    """Add the pipeline file and what changes it."""
    parser.add_argument("pipeline", metavar="PIPELINE", type=Path, help="the pipeline file (YAML)")
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help="change a value of the pipeline file, as align.deadline=2s; may be repeated",
    )


def add_logging(parser: argparse.ArgumentParser) -> None:
    """Add how and how much is logged to standard error."""
    parser.add_argument(
        "--log-format", choices=("human", "json"), default="human", help="default: human"
    )
    parser.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="log from this level on; default: info",
    )


def add_recordings(parser: argparse.ArgumentParser) -> None:
    """Add the recordings to read, at least one."""
    parser.add_argument(
        "--data",
        metavar="FILE",
        type=Path,
        nargs="+",
        required=True,
        help="one or more recordings (MCAP)",
    )


def duration(text: str) -> Duration:
    """A duration as an argument; `argparse` reports what is none."""
    from sensorium.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> int:
    """A whole number of at least 1 as an argument."""
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def speed(text: str) -> float | str:
    """The speed of a replay as an argument: a factor, or ``max``."""
    if text == "max":
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither max nor a factor such as 10"
        ) from None


def open_pipeline(
    args: argparse.Namespace, replaced: Collection[str] = ()
) -> tuple[Pipeline, PluginHost]:
    """Load the pipeline that the arguments name, with the installed plugins.

    `replaced` names the ends (``"source"``, ``"sink"``) that the command brings itself.
    """
    from sensorium.host import default_host, load_pipeline

    host = default_host()
    pipeline = load_pipeline(
        args.pipeline, overrides=args.overrides, plugins=host, replaced=replaced
    )
    return pipeline, host
