"""A real Prometheus scrapes a running engine with the shipped configuration."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_programs import NoPrometheusError
from prometheus_server import SHIPPED, Prometheus, eventually, free_port, prometheus

from sensorium.observe import METRICS

#: A recording, or standard input, has no end that is known; and nothing is encoded ahead here.
NOT_HERE = {"sensorium_lag_records", "sensorium_lag_seconds", "sensorium_events_ahead_total"}


@pytest.fixture
def scraped(start: Callable[..., Any], tmp_path: Path) -> Iterator[tuple[Any, Prometheus]]:
    """An engine, and the Prometheus that scrapes it."""
    engine = start("--door", f"127.0.0.1:{free_port()}")
    try:
        with prometheus(tmp_path, {"sensorium": [engine.target]}) as server:
            yield engine, server
    except NoPrometheusError as error:
        pytest.skip(f"needs Prometheus: {error}")


def test_the_series_are_there_and_the_dashboard_can_ask_for_them(
    scraped: tuple[Any, Prometheus],
) -> None:
    engine, server = scraped

    def feed_and_look() -> bool:
        engine.feed("accel")
        engine.feed("gyro")
        return (server.value("sensorium_predictions_total") or 0) > 0

    eventually(feed_and_look)
    engine.feed("accel", poison=True)
    letters = 'sensorium_dead_letters_total{stage="ingest", stream="accel"}'
    eventually(lambda: server.value(letters) == 1)
    assert server.value(f"increase({letters}[1m])") > 0  # it was there before

    found = {it["metric"]["__name__"] for it in server.query('{__name__=~"sensorium_.+"}')}
    expected = {
        f"{name}{suffix}"
        for name, metric in METRICS.items()
        for suffix in (("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",))
        if name not in NOT_HERE
    }
    assert expected <= found
    for it in server.query('{__name__=~"sensorium_.+"}'):
        labels = set(it["metric"]) - {"__name__", "job", "instance", "le"}
        name = it["metric"]["__name__"]
        metric = METRICS.get(name) or METRICS[name.rpartition("_")[0]]
        assert labels == {"pipeline", *metric.labels}
        assert it["metric"]["pipeline"] == "watch"
    _ask_for_the_dashboard(server)


def _ask_for_the_dashboard(server: Prometheus) -> None:
    """Every query of the dashboard is one that Prometheus takes; most have an answer."""
    answered = set()
    panels = json.loads((SHIPPED / "dashboard.json").read_text())["panels"]
    for panel in panels:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$pipeline", "watch")
            if server.query(query.replace("$__rate_interval", "1m")):
                answered.add(panel["title"])
    assert {"Events", "Predictions", "Ready", "Held", "Dead letters", "Model in force"} <= answered


def test_what_the_engine_says_of_itself_is_what_prometheus_has(
    scraped: tuple[Any, Prometheus],
) -> None:
    engine, server = scraped
    engine.feed("accel", count=7)
    events = 'sensorium_records_total{stream="accel", outcome="event"}'
    eventually(lambda: server.value(events) == 7)
    assert server.value('sensorium_records_total{stream="gyro", outcome="event"}') == 0
    assert server.value("sensorium_ready") == server.value("sensorium_live") == 1
    assert engine.health("live") == {"pipeline": "watch", "live": True, "reasons": []}
    told = {it["event"]: it for it in engine.log()}
    assert list(told) == ["door_open", "starting", "model_loaded", "assigned"]
    digest = told["model_loaded"]["model"]
    assert server.value(f'sensorium_model_info{{model="{digest}"}}') == 1
