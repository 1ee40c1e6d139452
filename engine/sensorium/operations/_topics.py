"""The topics that a pipeline needs, and what is wrong with those that are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from sensorium.align import horizon
from sensorium.durations import INFINITY, Duration, format_duration
from sensorium.errors import ConfigError
from sensorium.host import Finding, Level, Pipeline
from sensorium.operations._logs import has_log, open_log
from sensorium.plugin import Topic, TopicRole

__all__ = ["PlannedTopic", "TopicPlan", "create_topics", "input_findings", "plan_topics"]

_DAY: Final = 86_400_000_000_000
#: How long what the pipeline writes is kept, unless its input is kept longer.
_KEEP_OUTPUT: Final = 7 * _DAY
_DEFAULT_PARTITIONS: Final = 3


@dataclass(frozen=True, slots=True)
class PlannedTopic:
    """A topic of the pipeline.

    Parameters
    ----------
    role
        What it is for: ``stream accel, gyro``, ``predictions``, ``dead_letters``, ``carry``.
    end
        Which of the pipeline's ends it belongs to.
    wanted
        As it should be.
    there
        As it is, or None where it is not.
    """

    role: str
    end: Literal["source", "sink"]
    wanted: Topic
    there: Topic | None


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """All topics of a pipeline.

    Parameters
    ----------
    topics
        Those of the streams first.
    horizon
        How long, in log time, one record may matter to another; in ns.
    findings
        What is wrong with topics that are there.
    """

    topics: Sequence[PlannedTopic]
    horizon: Duration
    findings: Sequence[Finding]

    @property
    def refused(self) -> bool:
        """Whether the pipeline cannot run on the topics that are there."""
        return any(finding.level == "error" for finding in self.findings)


def plan_topics(
    pipeline: Pipeline,
    *,
    partitions: int | None = None,
    replication: int | None = None,
    outage: Duration = _DAY,
) -> TopicPlan:
    """What topics the pipeline needs, and which of them are there.

    Parameters
    ----------
    pipeline
        Its source has to be in a log; of a sink that is in none, there are no topics.
    partitions
        Of each topic; None for as many as the streams' topics have that are there, else 3.
    replication
        How many copies; None to leave it to the log.
    outage
        How long the engine may be down without losing a record, in ns. Streams' topics keep their
        records longer by the horizon and ``runtime.max_lead``.

    Raises
    ------
    ConfigError
        If the horizon or ``max_lead`` is infinite, or the source has no log.
    RunError
        If a log cannot be reached.
    """
    span = _finite_horizon(pipeline)
    inputs = _inputs(pipeline)
    named: dict[TopicRole, str] = {}
    outputs: Mapping[str, Topic] = {}
    if has_log(pipeline, "sink"):
        with open_log(pipeline, "sink") as log:
            named = dict(log.topics)
            outputs = log.describe(list(named.values()))
    count = partitions or min(
        (topic.partitions for topic in inputs.values()), default=_DEFAULT_PARTITIONS
    )
    retention = span + _finite_lead(pipeline) + outage
    topics = _read(pipeline, inputs, Topic("", count, replication, retention=retention))
    written = Topic("", count, replication, retention=max(retention, _KEEP_OUTPUT))
    topics += _written(named, outputs, written)
    return TopicPlan(topics, span, list(_findings(topics, inputs, asked=partitions is not None)))


def input_findings(pipeline: Pipeline, *, outage: Duration = 0) -> list[Finding]:
    """What is wrong with the topics that are there and that a restart reads.

    Parameters
    ----------
    pipeline, outage
        As of `plan_topics`.

    Raises
    ------
    ConfigError, RunError
        As of `plan_topics`.
    """
    retention = _finite_horizon(pipeline) + _finite_lead(pipeline) + outage
    inputs = _inputs(pipeline)
    count = min((topic.partitions for topic in inputs.values()), default=_DEFAULT_PARTITIONS)
    topics = _read(pipeline, inputs, Topic("", count, retention=retention))
    if pipeline.policy.carries and has_log(pipeline, "sink"):
        with open_log(pipeline, "sink") as log:
            carry: dict[TopicRole, str] = {
                role: name for role, name in log.topics.items() if role == "carry"
            }
            topics += _written(carry, log.describe(list(carry.values())), Topic("", count))
    return list(_findings(topics, inputs, asked=False))


def _roles(pipeline: Pipeline) -> dict[str, list[str]]:
    """Per topic, the streams that are in it."""
    roles: dict[str, list[str]] = {}
    for name, part in pipeline.streams.items():
        roles.setdefault(part.topic, []).append(name)
    return roles


def _inputs(pipeline: Pipeline) -> Mapping[str, Topic]:
    with open_log(pipeline, "source") as log:
        return log.describe(list(_roles(pipeline)))


def _read(pipeline: Pipeline, inputs: Mapping[str, Topic], wanted: Topic) -> list[PlannedTopic]:
    ahead = max(part.spec.max_future for part in pipeline.streams.values())
    return [
        PlannedTopic(
            f"stream {', '.join(names)}",
            "source",
            replace(wanted, name=topic, max_ahead=ahead),
            inputs.get(topic),
        )
        for topic, names in _roles(pipeline).items()
    ]


def _written(
    named: Mapping[TopicRole, str], there: Mapping[str, Topic], wanted: Topic
) -> list[PlannedTopic]:
    carrying = replace(wanted, compacted=True, retention=INFINITY)
    return [
        PlannedTopic(
            role,
            "sink",
            replace(carrying if role == "carry" else wanted, name=topic),
            there.get(topic),
        )
        for role, topic in named.items()
    ]


def _finite_horizon(pipeline: Pipeline) -> Duration:
    span = horizon(pipeline.policy, [part.spec for part in pipeline.streams.values()])
    if span == INFINITY:
        raise ConfigError(
            "a record may matter for ever, and no topic keeps its records as long: give every "
            "stream a finite max_delay, max_future and max_duration, and `approximate` a "
            "max_interval",
            path="streams",
        )
    return span


def _finite_lead(pipeline: Pipeline) -> Duration:
    """How far one topic may be read ahead of the others, which then have to be there as long."""
    lead = pipeline.config.runtime.max_lead
    if lead == INFINITY:
        raise ConfigError(
            "a topic may be read ever so far ahead of the others, and none keeps its records as "
            "long: set a finite duration, as 1m",
            path="runtime.max_lead",
        )
    return lead


def create_topics(pipeline: Pipeline, plan: TopicPlan) -> list[Topic]:
    """Make the topics of a plan that are not there.

    Returns
    -------
    list of Topic
        Those that were made.

    Raises
    ------
    RunError
        If one cannot be made.
    """
    made: list[Topic] = []
    for end in ("source", "sink"):
        missing = [one.wanted for one in plan.topics if one.end == end and one.there is None]
        if missing:
            with open_log(pipeline, end) as log:
                log.create(missing)
            made += missing
    return made


def _findings(
    topics: Sequence[PlannedTopic], inputs: Mapping[str, Topic], *, asked: bool
) -> Iterator[Finding]:
    counts = {name: topic.partitions for name, topic in inputs.items()}
    if len(set(counts.values())) > 1:
        yield Finding(
            "error",
            "streams",
            "the topics of streams that are aligned have unequal numbers of partitions: "
            + ", ".join(f"{name} {count}" for name, count in counts.items()),
            "make those with fewer anew with as many; keys change their partition when a topic "
            "only grows",
        )
    for one in topics:
        if one.there is not None:
            yield from _differences(one, one.there, asked=asked)


def _differences(one: PlannedTopic, there: Topic, *, asked: bool) -> Iterator[Finding]:
    wanted, is_input = one.wanted, one.end == "source"

    def finding(level: Level, message: str, fix: str) -> Finding:
        return Finding(level, f"topic {there.name} ({one.role})", message, fix)

    def setting(key: str, value: object) -> str:
        return f"set {key}={value} (kafka-configs --alter --topic {there.name})"

    if wanted.compacted:
        yield from _carry_differences(wanted, there, finding, setting)
    elif asked and there.partitions != wanted.partitions:
        yield finding(
            "error" if is_input else "warning",
            f"has {there.partitions} partitions; {wanted.partitions} are asked for",
            f"ask for --partitions {there.partitions}, or make the topic anew",
        )
    if wanted.replication is not None and (there.replication or 0) < wanted.replication:
        yield finding(
            "warning",
            f"has {there.replication} copies; {wanted.replication} are asked for",
            "add replicas with kafka-reassign-partitions",
        )
    if not there.known:
        kind = "compact" if wanted.compacted else "delete"
        kept = "" if wanted.compacted else f" and {format_duration(wanted.retention)} of retention"
        yield finding(
            "warning",
            "does not show its settings to this user, so they are not looked at; LogAppendTime, "
            f"cleanup.policy={kind}{kept} are wanted",
            "give the user the right to see them (DescribeConfigs), or look yourself",
        )
        return
    if there.compacted and is_input:
        yield finding(
            "error",
            "is compacted: the log drops records that a restart has to read again; delete is "
            "wanted",
            setting("cleanup.policy", "delete"),
        )
    if not there.append_time and is_input:
        yield finding(
            "warning",
            "is stamped by its producers (CreateTime); LogAppendTime is wanted: a producer's clock "
            "moves the log time of its partition",
            setting("message.timestamp.type", "LogAppendTime"),
        )
        if there.max_ahead > wanted.max_ahead:
            yield finding(
                "warning",
                f"takes records stamped up to {format_duration(there.max_ahead)} ahead; "
                f"{format_duration(wanted.max_ahead)} (max_future) are wanted: a record stamped "
                "ahead moves its partition's log time there",
                setting("message.timestamp.after.max.ms", _milliseconds(wanted.max_ahead)),
            )
    if there.retention < wanted.retention and not wanted.compacted:
        yield finding(
            "warning",
            f"keeps records for {format_duration(there.retention)}; "
            f"{format_duration(wanted.retention)} are wanted"
            + (" (the horizon, max_lead and the outage to survive)" if is_input else ""),
            setting("retention.ms", _milliseconds(wanted.retention)),
        )
    if there.max_bytes is not None and is_input:
        yield finding(
            "warning",
            f"keeps {there.max_bytes} bytes of a partition, however long that is; no limit is "
            "wanted",
            setting("retention.bytes", -1),
        )


def _carry_differences(
    wanted: Topic,
    there: Topic,
    finding: Callable[[Level, str, str], Finding],
    setting: Callable[[str, object], str],
) -> Iterator[Finding]:
    if there.partitions < wanted.partitions:
        yield finding(
            "error",
            f"has {there.partitions} partitions; {wanted.partitions} are wanted, as many as the "
            "streams' topics have: each partition number has its own",
            f"kafka-topics --alter --topic {there.name} --partitions {wanted.partitions}",
        )
    if there.known and not there.compacted:
        yield finding(
            "error",
            "is not compacted: the log drops what a restart needs when it is old; compact is "
            "wanted",
            setting("cleanup.policy", "compact"),
        )


def _milliseconds(duration: Duration) -> int:
    return -(-int(duration) // 1_000_000)
