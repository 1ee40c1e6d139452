"""Every metric, defined once: exporters, documentation, dashboard and alerts are held to this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["METRICS", "Kind", "Metric"]

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]

_COUNTS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
_WORK: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
_LATENCIES: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0),
    *(300.0, 600.0),
)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Parameters
    ----------
    name
        As it is scraped; a counter's ends in ``_total``.
    kind
        ``counter``: it only grows, and starts at 0 with the process. ``gauge``: as of now.
        ``histogram``: counts by size.
    unit
        Of the value, in words.
    group
        The stage that it tells of, or ``delivery``, ``door``, ``health``.
    help
        What it says.
    labels
        Beside ``pipeline``, which every metric has. Their values are bounded: never a key.
    buckets
        The upper bounds of a histogram.
    """

    name: str
    kind: Kind
    unit: str
    group: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _counter(name: str, unit: str, group: str, text: str, *labels: str) -> Metric:
    return Metric(f"sensorium_{name}_total", "counter", unit, group, text, labels)


def _gauge(name: str, unit: str, group: str, text: str, *labels: str) -> Metric:
    return Metric(f"sensorium_{name}", "gauge", unit, group, text, labels)


def _histogram(
    name: str, unit: str, group: str, text: str, buckets: tuple[float, ...], *labels: str
) -> Metric:
    return Metric(f"sensorium_{name}", "histogram", unit, group, text, labels, buckets)


_ALL: Final = (
    _counter(
        "records", "records", "ingest",
        "Records read, by what became of them: event, heartbeat, skipped, dead_letter. The stream "
        "is - where it is not known.",
        "stream", "outcome",
    ),
    _gauge(
        "newest_event_time_seconds", "seconds since 1970", "ingest",
        "Log time of the newest event of a stream that was read.",
        "stream",
    ),
    _counter(
        "stage_in", "records, events, sets", "ingest",
        "What went into a stage: records into ingest, events into align, sets into the others.",
        "stage",
    ),
    _counter(
        "stage_out", "events, sets, predictions", "ingest",
        "What came out of a stage: events of ingest, sets of align, encode and fuse, predictions "
        "of emit.",
        "stage",
    ),
    _histogram(
        "stage_seconds", "seconds", "ingest",
        "Time of one call of a stage: ingest and align per poll, the others per micro-batch; of "
        "encode and fuse by the wall on their thread.",
        _WORK, "stage",
    ),
    _counter(
        "waited_seconds", "seconds", "ingest",
        "Time that the engine's loop has had nothing to do: for want of records (source), or, with "
        "sets on their way, until the models are done (models). The rest of the time it worked.",
        "what",
    ),
    _counter(
        "event_fates", "events", "align",
        "Events by fate: matched, late, superseded, unmatched, duplicate, invalid, evicted.",
        "fate",
    ),
    _gauge("events_pending", "events", "align", "Events that a set may still use."),
    _gauge("keys", "keys", "align", "Keys that are remembered."),
    _gauge(
        "keys_carried",
        "keys",
        "align",
        "Keys of which the sink keeps what a restart needs besides the log (`approximate` only).",
    ),
    _counter("sets", "sets", "align", "Sets that have settled."),
    _counter(
        "sets_given_up", "sets", "align",
        "Open sets that were given up, since a limit of the pipeline was exceeded: max_keys, "
        "max_pending_events or max_pending_bytes.",
    ),
    _counter(
        "sets_complete", "sets", "encode",
        "Sets that came from the models with every stream, decoded and encoded.",
    ),
    _counter(
        "set_absences", "sets", "encode",
        "Sets that lacked a stream, by reason: proven, timeout, failed.",
        "stream", "reason",
    ),
    _histogram(
        "set_streams", "share of streams", "encode",
        "Share of the streams that a set had when it came from the models.",
        (0.0, 0.25, 0.5, 0.75, 1.0),
    ),
    _histogram("batch_sets", "sets", "encode", "Sets of a micro-batch.", _COUNTS),
    _gauge("sets_waiting", "sets", "encode", "Settled sets that wait for a micro-batch."),
    _gauge("sets_in_flight", "sets", "encode", "Sets that the models work on."),
    _gauge(
        "in_flight_bytes", "bytes", "encode",
        "What the values of the sets hold that wait for a micro-batch or are in the models, "
        "estimated; a value counts with every set that it is in.",
    ),
    _gauge(
        "oldest_set_seconds", "seconds", "encode",
        "How long ago the oldest set settled that waits for the models or is with them; 0 if there "
        "is none.",
    ),
    _gauge(
        "models_silent_seconds", "seconds", "encode",
        "How long the models have given nothing back although sets are in flight; else 0.",
    ),
    _counter(
        "events_ahead", "events", "encode",
        "Events of streams with encode: eager: encoded before their sets had settled, and of these "
        "used by a set or wasted; or skipped for want of room, and encoded with their sets.",
        "stream", "outcome",
    ),
    _counter(
        "plugin_errors", "errors", "encode",
        "Errors of plugins, by plugin and hook: they cost a record, a stream of a set, or a set; "
        "those of plugins that only observe cost nothing.",
        "plugin", "hook",
    ),
    _counter(
        "retries", "calls", "encode",
        "Calls of a stream's model that were made again, since they failed as a whole.",
        "plugin", "stream",
    ),
    _gauge(
        "circuit_open", "0 or 1", "encode",
        "Whether a stream's model is spared for a while, since it fails again and again.",
        "plugin", "stream",
    ),
    _counter("predictions", "predictions", "emit", "Predictions handed to the sink."),
    _counter(
        "dead_letters", "dead letters", "emit",
        "Dead letters, by the stage that refused. The stream is - where there is none.",
        "stage", "stream",
    ),
    _histogram(
        "event_latency_seconds", "seconds", "emit",
        "From the end of a set in event time to the prediction at the sink, by the clock. Of a "
        "recording it means nothing.",
        _LATENCIES,
    ),
    _histogram(
        "arrival_latency_seconds", "seconds", "emit",
        "From the reading of a set's newest member to the prediction at the sink; the waiting for "
        "other streams included.",
        _LATENCIES,
    ),
    _gauge(
        "last_prediction_time_seconds", "seconds since 1970", "emit",
        "When a prediction was last handed to the sink, by the clock.",
    ),
    _gauge(
        "log_time_seconds", "seconds since 1970", "delivery",
        "How far a stream-partition has been read, in log time.",
        "stream", "partition",
    ),
    _gauge(
        "lag_records", "records", "delivery",
        "Records from what has been read of a stream-partition to its end.",
        "stream", "partition",
    ),
    _gauge(
        "lag_seconds", "seconds", "delivery",
        "How far the log time that has been read of a stream-partition lies behind the clock; 0 "
        "at its end.",
        "stream", "partition",
    ),
    _counter(
        "commits", "commits", "delivery", "Commits of cuts, by outcome: done, failed.", "outcome"
    ),
    _histogram(
        "commit_seconds", "seconds", "delivery",
        "Time of a commit that was done: the sink's flush and the source's commit, or the "
        "transaction's.",
        _WORK,
    ),
    _counter(
        "rebalances", "rebalances", "delivery", "How often partition numbers were shared out anew."
    ),
    _gauge("partitions_assigned", "topic-partitions", "delivery", "How many are read here."),
    _gauge(
        "paused_partitions", "topic-partitions", "delivery",
        "How many of these are paused: too much is in flight, or it is ahead of other streams.",
    ),
    _counter(
        "door_requests", "requests", "door",
        "Requests for a prediction, by outcome: answered, refused (what is asked for is wrong), "
        "unauthorized (of every path), unavailable (503), failed, gone (the client). Only where "
        "there is a door.",
        "outcome",
    ),
    _histogram(
        "door_seconds", "seconds", "door",
        "From the head of a request that was answered to the end of its answer.",
        _WORK,
    ),
    _gauge("live", "0 or 1", "health", "As /health/live says."),
    _gauge("ready", "0 or 1", "health", "As /health/ready says."),
    _gauge("model_info", "1", "health", "The identity of the model in force.", "model"),
    _gauge(
        "build_info", "1", "health", "Version of the engine, and executor.", "version", "executor"
    ),
)  # fmt: skip

#: By name, in the order of the line.
METRICS: Final[dict[str, Metric]] = {metric.name: metric for metric in _ALL}
