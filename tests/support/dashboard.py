"""The Grafana dashboard, made from a list: ``python tests/support/dashboard.py``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_RATE = "$__rate_interval"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 3


@dataclass(frozen=True)
class Panel:
    """A panel: its title, its unit in Grafana's words, and queries with their legends."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    description: str = ""
    kind: str = "timeseries"


def one(title: str, unit: str, query: str, legend: str = "", text: str = "") -> Panel:
    return Panel(title, unit, ((query, legend),), text)


def stat(title: str, unit: str, query: str, legend: str = "", text: str = "") -> Panel:
    return Panel(title, unit, ((query, legend),), text, "stat")


def quantiles(title: str, metric: str, selector: str = "", text: str = "") -> Panel:
    where = f'pipeline="$pipeline"{selector}'
    rate = f"sum by (le) (rate({metric}_bucket{{{where}}}[{_RATE}]))"
    return Panel(
        title,
        "s",
        tuple((f"histogram_quantile({it}, {rate})", f"p{it * 100:g}") for it in (0.5, 0.95, 0.99)),
        text,
    )


def rate(metric: str, by: str = "", selector: str = "") -> str:
    labels = f" by ({by})" if by else ""
    return f'sum{labels} (rate({metric}{{pipeline="$pipeline"{selector}}}[{_RATE}]))'


def gauge(metric: str, over: str = "sum", by: str = "") -> str:
    labels = f" by ({by})" if by else ""
    return f'{over}{labels} ({metric}{{pipeline="$pipeline"}})'


def busy(stage: str) -> Panel:
    """How long the calls of a stage take, and how much of the time it works."""
    where = f', stage="{stage}"'
    return Panel(
        f"{stage}: time per call, and share of the time",
        "s",
        (
            (
                f"{rate('sensorium_stage_seconds_sum', '', where)} "
                f"/ {rate('sensorium_stage_seconds_count', '', where)}",
                "mean of a call",
            ),
            (rate("sensorium_stage_seconds_sum", "", where), "busy, seconds a second"),
        ),
        "The share of the time is summed over processes, and over threads for encode and fuse.",
    )


def flow(stage: str) -> Panel:
    where = f', stage="{stage}"'
    return Panel(
        f"{stage}: in and out",
        "ops",
        (
            (rate("sensorium_stage_in_total", "", where), "in"),
            (rate("sensorium_stage_out_total", "", where), "out"),
        ),
    )


ROWS: dict[str, list[Panel]] = {
    "overview": [
        stat("Processes", "short", gauge("sensorium_build_info", "count", "version, executor"),
             "{{version}} {{executor}}"),
        stat("Ready", "short", gauge("sensorium_ready"), "", "/health/ready says why one is not."),
        stat("Live", "short", gauge("sensorium_live")),
        one("Events", "ops", rate("sensorium_records_total", "stream", ', outcome="event"'),
            "{{stream}}"),
        one("Predictions", "ops", rate("sensorium_predictions_total")),
        one("Share of the streams that sets have", "percentunit",
            'pipeline:sensorium_completeness:ratio10m{pipeline="$pipeline"}'),
        one("Lag", "s", gauge("sensorium_lag_seconds", "max", "stream"), "{{stream}}",
            "From what has been read to the clock; 0 at the end."),
        quantiles("Reading to prediction", "sensorium_arrival_latency_seconds"),
        one("Dead letters", "ops", rate("sensorium_dead_letters_total", "stage, stream"),
            "{{stage}} {{stream}}"),
    ],
    "ingest": [
        one("Records by outcome", "ops", rate("sensorium_records_total", "outcome"), "{{outcome}}"),
        one("Age of the newest event", "s",
            'time() - max by (stream) (sensorium_newest_event_time_seconds{pipeline="$pipeline"})',
            "{{stream}}", "Since when a stream is silent. Of a recording it means nothing."),
        one("The loop waits for", "percentunit", rate("sensorium_waited_seconds_total", "what"),
            "{{what}}", "A share of the time of each process; the rest it works."),
        busy("ingest"),
    ],
    "align": [
        one("Fates of events", "ops", rate("sensorium_event_fates_total", "fate"), "{{fate}}"),
        Panel("Held", "short",
              ((gauge("sensorium_events_pending"), "events pending"),
               (gauge("sensorium_keys"), "keys"),
               (gauge("sensorium_keys_carried"), "keys carried"))),
        Panel("Sets", "ops",
              ((rate("sensorium_sets_total"), "settled"),
               (rate("sensorium_sets_given_up_total"), "given up at a limit"))),
        flow("align"),
        busy("align"),
    ],
    "encode": [
        one("Absent streams, by reason", "ops",
            rate("sensorium_set_absences_total", "stream, reason"), "{{stream}} {{reason}}"),
        Panel("Sets on their way", "short",
              ((gauge("sensorium_sets_waiting"), "waiting"),
               (gauge("sensorium_sets_in_flight"), "in flight"))),
        one("Values in flight", "bytes", gauge("sensorium_in_flight_bytes")),
        one("Sets of a micro-batch, mean", "short",
            f"{rate('sensorium_batch_sets_sum')} / {rate('sensorium_batch_sets_count')}"),
        one("Complete sets", "percentunit",
            f"{rate('sensorium_sets_complete_total')} / {rate('sensorium_set_streams_count')}"),
        one("Models silent for", "s", gauge("sensorium_models_silent_seconds", "max")),
        one("Oldest set on its way", "s", gauge("sensorium_oldest_set_seconds", "max"),
            text="How long what has been read waits for the models; the lag does not see it."),
        one("Events encoded ahead of their sets", "ops",
            rate("sensorium_events_ahead_total", "stream, outcome"), "{{stream}}: {{outcome}}",
            "Of streams with `encode: eager`. What is wasted was encoded in vain."),
        one("Errors of plugins", "ops", rate("sensorium_plugin_errors_total", "plugin, hook"),
            "{{plugin}}.{{hook}}"),
        Panel("Calls again, and models that are spared", "short",
              ((rate("sensorium_retries_total", "plugin, stream"), "{{stream}}: again"),
               (gauge("sensorium_circuit_open", "max", "stream"), "{{stream}}: spared"))),
        flow("encode"),
        busy("encode"),
    ],
    "fuse": [flow("fuse"), busy("fuse"),
             Panel("Model in force", "short",
                   ((gauge("sensorium_model_info", "count", "model"), "{{model}}"),))],
    "emit": [
        flow("emit"),
        busy("emit"),
        quantiles("End of a set to prediction", "sensorium_event_latency_seconds", "",
                  "By the clock, from event time. Of a recording it means nothing."),
        one("Age of the last prediction", "s",
            'time() - max(sensorium_last_prediction_time_seconds{pipeline="$pipeline"})'),
    ],
    "delivery": [
        one("Records that wait", "short", gauge("sensorium_lag_records", "sum", "stream"),
            "{{stream}}"),
        one("Commits", "ops", rate("sensorium_commits_total", "outcome"), "{{outcome}}"),
        quantiles("Time of a commit", "sensorium_commit_seconds"),
        Panel("Partitions", "short",
              ((gauge("sensorium_partitions_assigned"), "assigned"),
               (gauge("sensorium_paused_partitions"), "paused"))),
        one("Rebalances", "ops", rate("sensorium_rebalances_total")),
        one("Log time that has been read, behind the clock", "s",
            'time() - min by (stream) (sensorium_log_time_seconds{pipeline="$pipeline"})',
            "{{stream}}"),
    ],
    "door": [
        one("Requests at the door", "ops", rate("sensorium_door_requests_total", "outcome"),
            "{{outcome}}", "Only where there is a door."),
        quantiles("Time of an answer", "sensorium_door_seconds"),
    ],
}  # fmt: skip


def render() -> str:
    """The dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row, those in ROWS.items():
        place = {"x": 0, "y": top, "w": _WIDTH * _COLUMNS, "h": 1}
        panels.append(
            {"type": "row", "id": len(panels) + 1, "title": row, "collapsed": False,
             "gridPos": place, "panels": []}
        )  # fmt: skip
        top += 1
        for at, panel in enumerate(those):
            place = {
                "x": at % _COLUMNS * _WIDTH,
                "y": top + at // _COLUMNS * _HEIGHT,
                "w": _WIDTH,
                "h": _HEIGHT,
            }
            panels.append({"id": len(panels) + 1, "gridPos": place, **_panel(panel)})
        top += -(-len(those) // _COLUMNS) * _HEIGHT
    dashboard = {
        "uid": "sensorium",
        "title": "Sensorium",
        "description": "One pipeline, in the order of its stages. Needs the rules of rules.yaml.",
        "tags": ["sensorium"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource(), _pipeline()]},
        "annotations": {"list": []},
        "panels": panels,
    }
    return json.dumps(dashboard, indent=1) + "\n"


def _panel(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.kind == "timeseries":
        defaults["custom"] = {"fillOpacity": 10, "showPoints": "never"}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + at), "expr": query, "legendFormat": legend or panel.title,
             "datasource": _SOURCE}
            for at, (query, legend) in enumerate(panel.queries)
        ],
    }  # fmt: skip


def _datasource() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
    }


def _pipeline() -> dict[str, Any]:
    query = "label_values(sensorium_build_info, pipeline)"
    return {
        "name": "pipeline",
        "label": "Pipeline",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": "pipelines"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
    }


if __name__ == "__main__":
    print(render(), end="")
