"""The page of the metrics, made from the definitions: ``python tests/support/metrics_page.py``."""

from __future__ import annotations

from sensorium.observe import METRICS, Metric

INTRODUCTION = """\
# Metrics and health
`observe: {bind: 127.0.0.1, port: 9464}` in the pipeline file, or `sensorium run --observe
HOST:PORT`, serves over HTTP:

- `/metrics`: the metrics below, for Prometheus, and those of the process (`process_*`,
  `python_info`).
- `/health/live`: 200, or 503 if the engine's loop has not turned for `observe.stall_after`; then a
  restart is due. A slow broker or a slow model is no reason.
- `/health/ready`: 200, or 503 while models are being loaded, no partition is assigned, source, sink
  or models have been silent for `observe.stall_after`, or the engine is stopping.

Both health paths say why, as JSON:
`{"pipeline": "watch", "ready": false, "reasons": ["models are being loaded"]}`.

With the executor `serve`, every ingest replica hands the same metrics to Ray, and the door its own.
Ray exports them on every node's metrics port as `ray_sensorium_...`, first after some ten seconds;
`prometheus.yaml` takes the prefix away. They are gauges to Ray, and keep their last values for two
minutes when a replica is gone. `observe` may be given, too; with port 0 where there are several
ingest replicas.

`deploy/observability` has what goes with them: `prometheus.yaml` scrapes, `rules.yaml` records and
alerts, each alert with a page in [runbooks](runbooks), and `dashboard.json` is for Grafana.

This page is made from the definitions in `sensorium.observe` by
`python tests/support/metrics_page.py`, and a test compares it with them. Every metric has the
label `pipeline`; the values of all labels are bounded: none is ever a key, an id or a part of a
payload. A series appears with its first value, so alerts and dashboards have to put up with its
absence. Counters begin at 0 with the process. The numbers are plain integers while the pipeline
runs, and are put together when they are scraped ([benchmarks.md](benchmarks.md) has the cost).
"""

GROUPS = {
    "ingest": "Records and stages",
    "align": "Alignment",
    "encode": "Sets and models",
    "emit": "Predictions",
    "delivery": "Delivery",
    "door": "The door",
    "health": "Health and identity",
}


def render() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for group, title in GROUPS.items():
        rows = [_row(metric) for metric in METRICS.values() if metric.group == group]
        if rows:
            head = ["| metric | kind, unit | labels | |", "|---|---|---|---|"]
            parts.append("\n".join([f"## {title}\n", *head, *rows, ""]))
    return "\n".join(parts)


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    text = metric.help
    if metric.buckets:
        text += f" Buckets: {', '.join(f'{bound:g}' for bound in metric.buckets)}."
    return f"| `{metric.name}` | {metric.kind}, {metric.unit} | {labels} | {text} |"


if __name__ == "__main__":
    print(render(), end="")
