"""``sensorium topics create|describe PIPELINE``: the topics that a pipeline needs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from sensorium.cli._arguments import add_pipeline, duration, open_pipeline, positive
from sensorium.cli._check import report
from sensorium.cli._table import print_table

if TYPE_CHECKING:
    from sensorium.operations import TopicPlan
    from sensorium.plugin import Topic

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the parser of this command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "topics",
        help="make the topics of a pipeline, or look at them",
        description="Make the topics of a pipeline's streams, predictions and dead letters, or say "
        "what is wrong with those that are there. Exits with 2 if the pipeline cannot run on them.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    creating = actions.add_parser(
        "create",
        help="make those that are not there",
        description="Make the topics that are not there: equal numbers of partitions, records "
        "stamped by the broker, kept as long as a restart may need them.",
    )
    describing = actions.add_parser(
        "describe", help="show them, and what is wrong with any; change nothing"
    )
    for action in (creating, describing):
        add_pipeline(action)
        action.add_argument(
            "--partitions",
            metavar="N",
            type=positive,
            help="of each topic (as many as the streams' topics have that are there, else 3)",
        )
        action.add_argument(
            "--replication",
            metavar="N",
            type=positive,
            help="how many copies of each partition (the broker's default)",
        )
        action.add_argument(
            "--outage",
            metavar="DURATION",
            type=duration,
            default="1d",
            help="how long the engine may be down without losing a record (default 1d)",
        )
    creating.add_argument(
        "--dry-run", action="store_true", help="say what would be made, and make nothing"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Make or describe; the exit code is 2 if the pipeline cannot run on the topics."""
    pipeline, _ = open_pipeline(args)
    from sensorium.operations import create_topics, plan_topics

    plan = plan_topics(
        pipeline, partitions=args.partitions, replication=args.replication, outage=args.outage
    )
    if args.action == "describe":
        _describe(plan)
        missing = [one.wanted.name for one in plan.topics if one.there is None]
        for name in missing:
            print(f"error: {name} is not there\n    fix: sensorium topics create PIPELINE")
        return report(plan.findings, pipeline.name) or (2 if missing else 0)
    if plan.refused:
        print("nothing was made: the topics that are there do not fit")
        return report(plan.findings, pipeline.name)
    made = (
        [one.wanted for one in plan.topics if one.there is None]
        if args.dry_run
        else create_topics(pipeline, plan)
    )
    for topic in made:
        print(f"{'would make' if args.dry_run else 'made'} {topic.name}: {_words(topic)}")
    for one in plan.topics:
        if one.there is not None:
            print(f"left {one.there.name}: {_words(one.there)}")
    return report(plan.findings, pipeline.name)


def _words(topic: Topic) -> str:
    from sensorium.durations import format_duration

    if not topic.known:
        return f"{topic.partitions} partitions, settings not shown"
    stamp = "LogAppendTime" if topic.append_time else "CreateTime"
    kept = "compacted" if topic.compacted else f"kept for {format_duration(topic.retention)}"
    return f"{topic.partitions} partitions, {stamp}, {kept}"


def _describe(plan: TopicPlan) -> None:
    from sensorium.durations import format_duration

    rows = [("topic", "for", "partitions", "copies", "stamp", "cleanup", "kept for", "wanted")]
    for one in plan.topics:
        topic = one.there
        wanted = format_duration(one.wanted.retention)
        if topic is None:
            rows.append((one.wanted.name, one.role, "-", "-", "-", "-", "-", wanted))
            continue
        settings = ("?", "?", "?")
        if topic.known:
            settings = (
                "LogAppendTime" if topic.append_time else "CreateTime",
                "compact" if topic.compacted else "delete",
                format_duration(topic.retention),
            )
        counts = (str(topic.partitions), str(topic.replication))
        rows.append((topic.name, one.role, *counts, *settings, wanted))
    print_table(rows)
    print(f"horizon: {format_duration(plan.horizon)}")
