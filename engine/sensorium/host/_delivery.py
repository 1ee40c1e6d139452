"""Whether a source and a sink can deliver as the pipeline says."""

from __future__ import annotations

from typing import NamedTuple

from sensorium.align import horizon
from sensorium.durations import INFINITY
from sensorium.host._pipeline import Pipeline
from sensorium.plugin import Sink, Source

__all__ = ["DeliveryProblem", "delivery_problems", "sharing_problems"]


class DeliveryProblem(NamedTuple):
    """Why a pipeline cannot deliver as it says.

    Parameters
    ----------
    path
        Where, as a path into the pipeline file.
    message, fix
        What is wrong, and what to do.
    """

    path: str
    message: str
    fix: str


def delivery_problems(
    pipeline: Pipeline, source: Source | None, sink: Sink | None
) -> list[DeliveryProblem]:
    """What is wrong between the pipeline's delivery and the ends that it has.

    Parameters
    ----------
    source, sink
        The ends, which may be others than the pipeline's own; None where there is none.
    """
    found = []
    exactly_once = pipeline.config.delivery == "exactly_once"
    keeps = source is not None and source.keeps_cuts
    if exactly_once and source is not None and pipeline.source is type(source) and not keeps:
        found.append(
            DeliveryProblem(
                "delivery",
                f"exactly_once needs a source that stores how far it has been read, and "
                f"{source.name} does not, as it is configured",
                "give the source a `group`, or set delivery to at_least_once",
            )
        )
    if exactly_once and keeps and sink is not None and not sink.transactional:
        found.append(
            DeliveryProblem(
                "delivery",
                f"exactly_once needs a sink that commits with the source, and {sink.name} does not",
                "write to kafka, or set delivery to at_least_once",
            )
        )
    if not keeps:
        return found
    if pipeline.policy.carries and not exactly_once:
        found.append(
            DeliveryProblem(
                "align.policy",
                f"{pipeline.policy.name} keeps, per key, which events it used last, and a restart "
                "from the log cannot find that again: it has to be committed with the predictions",
                "set delivery to exactly_once, use another policy, or read without a `group`",
            )
        )
    elif pipeline.policy.carries and sink is not None and not sink.carries:
        found.append(
            DeliveryProblem(
                "sink",
                f"{pipeline.policy.name} keeps, per key, which events it used last, and "
                f"{sink.name}, as it is configured, has no place for that",
                "give the kafka sink a `carry` topic, use another policy, or read without a "
                "`group`",
            )
        )
    if horizon(pipeline.policy, [it.spec for it in pipeline.streams.values()]) == INFINITY:
        found.append(
            DeliveryProblem(
                "streams",
                "a restart would have to read the topics from their beginning, since max_delay, "
                "max_future, max_duration or the policy's reach is inf",
                "make all of them finite, or read without a `group`",
            )
        )
    return found


def sharing_problems(pipeline: Pipeline, source: Source | None) -> list[DeliveryProblem]:
    """What keeps several ingest replicas from sharing a source, where the pipeline asks for them.

    Parameters
    ----------
    source
        The pipeline's own; it need not be open. None where there is none.
    """
    if pipeline.config.runtime.ingest.replicas.max == 1:
        return []
    path = "runtime.ingest.replicas"
    found = []
    if source is not None and not source.keeps_cuts:
        found.append(
            DeliveryProblem(
                path,
                f"each replica would read everything: {source.name}, as it is configured, does not "
                "share its partitions out",
                "give the source a `group`, or have one replica",
            )
        )
    if source is not None and source.single:
        found.append(
            DeliveryProblem(
                path,
                f"{source.name} is configured for one process, and the replicas would drive each "
                "other out",
                "leave out what names the process, as `group_instance_id`, or have one replica",
            )
        )
    if pipeline.config.observe is not None and pipeline.config.observe.port:
        found.append(
            DeliveryProblem(
                "observe.port",
                "several ingest replicas may be on one node, where only one can listen there",
                "leave `observe` out, since Ray exports the same metrics, or set the port to 0",
            )
        )
    return found
