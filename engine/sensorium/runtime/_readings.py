"""The metrics of a line, out of what its parts count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sensorium.events import Absence, Fate
from sensorium.observe import Reading
from sensorium.stages import Ingest

if TYPE_CHECKING:
    from sensorium.host import Pipeline
    from sensorium.runtime._intake import Intake
    from sensorium.runtime._summary import Tally

__all__ = ["line_readings", "plugin_hooks"]


def plugin_hooks(pipeline: Pipeline) -> list[tuple[str, str]]:
    """The plugins' names and the methods of theirs that a line calls."""
    modalities = [part.modality.name for part in pipeline.streams.values()]
    return [
        *((name, hook) for name in modalities for hook in ("decode", "prepare", "encode")),
        (pipeline.fusion.name, "fuse"),
        *((part.task.name, "result") for part in pipeline.tasks.values()),
    ]


def line_readings(
    tally: Tally,
    ingest: Ingest,
    intake: Intake,
    *,
    topics: Mapping[str, str],
    now: int,
    waiting: int,
    held: int,
    behind: int,
    model: str,
    observers: Mapping[tuple[str, str], int],
) -> list[Reading]:
    """Everything as it is now; called from any thread while the line turns.

    Parameters
    ----------
    tally, ingest, intake
        What counts.
    topics
        Per stream, the topic that it is read from.
    now
        The clock, in ns since the epoch.
    waiting
        How many sets wait for a micro-batch.
    held
        How many bytes the values of the sets hold that wait or are in flight.
    behind
        How long ago the oldest of these settled, in ns.
    model
        The identity of the model.
    observers
        Errors of plugins that observe, by plugin and hook.
    """
    records = dict(ingest.by_stream)
    # What is still 0 is said, too: of a series that begins later, Prometheus sees no increase.
    by_stream = {(stream, "event"): 0 for stream in tally.absences} | records
    fates = {str(fate): 0 for fate in Fate} | intake.fates
    events = sum(count for (_, outcome), count in records.items() if outcome == "event")
    pending = fates.pop(Fate.PENDING, 0)
    found = [
        Reading("sensorium_records_total", labels, count) for labels, count in by_stream.items()
    ]
    found += [
        Reading("sensorium_newest_event_time_seconds", (stream,), time / 1e9)
        for stream, time in dict(ingest.newest).items()
    ]
    found += [
        Reading("sensorium_waited_seconds_total", (what,), tally.waited[what] / 1e9)
        for what in ("source", "models")
    ]
    flow = {"ingest": (sum(records.values()), events), "align": (events, tally.sets)}
    for name, (into, out) in flow.items():
        found.append(Reading("sensorium_stage_in_total", (name,), into))
        found.append(Reading("sensorium_stage_out_total", (name,), out))
    found += [
        Reading("sensorium_event_fates_total", (fate,), count) for fate, count in fates.items()
    ]
    found += [
        Reading("sensorium_events_pending", (), pending),
        Reading("sensorium_keys", (), intake.keys),
        Reading("sensorium_keys_carried", (), intake.carried_keys),
        Reading("sensorium_sets_total", (), tally.sets),
        Reading("sensorium_sets_given_up_total", (), intake.given_up),
        Reading("sensorium_sets_waiting", (), waiting),
        Reading("sensorium_in_flight_bytes", (), held),
        Reading("sensorium_oldest_set_seconds", (), behind / 1e9),
        Reading("sensorium_model_info", (model,), 1),
    ]
    found += [
        Reading("sensorium_set_absences_total", (stream, reason.value), reasons[reason.value])
        for stream, reasons in tally.absences.items()
        for reason in Absence
    ]
    found += [
        Reading("sensorium_plugin_errors_total", labels, count)
        for labels, count in dict(observers).items()
    ]
    found += _delivery_readings(tally, intake.log_times, topics, now)
    return found + tally.meters.readings()


def _delivery_readings(
    tally: Tally, log_times: Mapping[tuple[str, int], int], topics: Mapping[str, str], now: int
) -> list[Reading]:
    commits = {"done": 0, "failed": 0} | dict(tally.commits)
    found = [
        Reading("sensorium_commits_total", (outcome,), count) for outcome, count in commits.items()
    ]
    found += [
        Reading("sensorium_rebalances_total", (), tally.rebalances),
        Reading("sensorium_partitions_assigned", (), tally.partitions),
        Reading("sensorium_paused_partitions", (), tally.paused),
    ]
    for (stream, number), log_time in log_times.items():
        labels = (stream, str(number))
        found.append(Reading("sensorium_log_time_seconds", labels, log_time / 1e9))
    for stream, topic in topics.items():
        for place, records in tally.lag.items():
            if place.topic != topic:
                continue
            labels = (stream, str(place.partition))
            found.append(Reading("sensorium_lag_records", labels, records))
            read = log_times.get((stream, place.partition))
            if not records or read is not None:
                seconds = max(now - read, 0) / 1e9 if records and read is not None else 0.0
                found.append(Reading("sensorium_lag_seconds", labels, seconds))
    return found
