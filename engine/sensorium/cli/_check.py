"""``sensorium check PIPELINE``: all that can be known before running, each finding with its fix."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.cli._arguments import add_pipeline, open_pipeline
from sensorium.cli._survey import print_survey

if TYPE_CHECKING:
    from sensorium.host import Finding

__all__ = ["add_parser", "run"]

#: How long an engine may be down without losing a record: a day, as for `sensorium topics`.
_OUTAGE = 86_400_000_000_000


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the parser of this command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "check",
        help="say all that can be known of a pipeline before it runs",
        description="Say all that can be known of a pipeline before it runs, each finding with "
        "its fix. Exits with 2 if there is an error. With a recording it also says which settings "
        "would lose what share of its events, and how far the clocks seem to be off.",
    )
    add_pipeline(parser)
    parser.add_argument(
        "--data", metavar="FILE", type=Path, help="a recording to look at (MCAP, JSON lines)"
    )
    parser.add_argument(
        "--connect",
        action="store_true",
        help="ask the brokers, too: whether the topics that are there will do",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Check; the exit code is 2 if there is an error."""
    from sensorium.host import check_pipeline

    pipeline, host = open_pipeline(args)
    for problem in host.problems:
        print(f"warning: {problem}", file=sys.stderr)
    findings = check_pipeline(pipeline)
    if args.connect:
        from sensorium.operations import input_findings

        findings += input_findings(pipeline, outage=_OUTAGE)
    code = report(findings, pipeline.name)
    if args.data is not None:
        print_survey(pipeline, host, args.data)
    return code


def report(findings: Iterable[Finding], pipeline: str) -> int:
    """Print findings and a summary; return the exit code."""
    errors = warnings = 0
    for finding in findings:
        errors += finding.level == "error"
        warnings += finding.level == "warning"
        print(f"{finding.level}: {finding.path}: {finding.message}\n    fix: {finding.fix}")
    print(f"{pipeline}: {_count(errors, 'error')}, {_count(warnings, 'warning')}")
    return 2 if errors else 0


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
