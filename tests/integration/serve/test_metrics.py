"""On Ray Serve a real Prometheus gets the metrics of the local executor, under the same names."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_programs import NoPrometheusError
from prometheus_server import Prometheus, eventually, prometheus

from sensorium.host import Pipeline
from sensorium.observe import METRICS
from sensorium.runtime.serve import ServeExecutor
from sensorium.testing import MemorySink

pytestmark = pytest.mark.timeout(600)

#: A recording, or standard input, has no end that is known; and nothing is encoded ahead here.
NOT_HERE = {"sensorium_lag_records", "sensorium_lag_seconds", "sensorium_events_ahead_total"}


def test_ray_exports_what_the_local_executor_serves(
    ray_here: Any,
    adding: Callable[..., Pipeline],
    numbers: Callable[..., Path],
    tmp_path: Path,
) -> None:
    import ray

    port = ray.nodes()[0]["MetricsExportPort"]
    # A name of its own: Ray goes on exporting what other tests' pipelines have measured.
    executor = ServeExecutor(
        adding("pipeline=watched", "door.port=0"),
        ray_here,
        data=numbers([1.0] * 3000),
        speed="1",
        sink=MemorySink(),
    )
    thread = threading.Thread(target=executor.run)
    thread.start()
    try:
        with prometheus(tmp_path, {"sensorium-ray": [f"127.0.0.1:{port}"]}) as server:
            mine = '{pipeline="watched"}'
            try:
                eventually(lambda: server.value(f"sum(sensorium_predictions_total{mine})"), 240)
                # The door is another process, and tells Ray by itself.
                eventually(lambda: server.query(f"sensorium_door_requests_total{mine}"), 120)
            except AssertionError as error:
                raise AssertionError(f"{error}; {_what_there_is(server)}") from None
            _same_series(server)
            increasing = 'rate(sensorium_stage_seconds_bucket{pipeline="watched"}[1m])'
            slowest = f"histogram_quantile(0.99, sum by (le) ({increasing}))"
            eventually(lambda: (server.value(slowest) or 0) > 0, 120)
    except NoPrometheusError as error:
        pytest.skip(f"needs Prometheus: {error}")
    finally:
        executor.stop(now=True)
        thread.join(60)


def _what_there_is(server: Prometheus) -> str:
    """What Ray's agent exports instead."""
    up = [it["value"][1] for it in server.query('up{job="sensorium-ray"}')]
    names = [it["metric"]["__name__"] for it in server.query('group by (__name__) ({job!=""})')]
    return f"up: {up}; {len(names)} metrics: {sorted(names)}"


def _same_series(server: Prometheus) -> None:
    found = server.query('{__name__=~"sensorium_.+", pipeline="watched"}')
    names = {it["metric"]["__name__"] for it in found}
    assert names == {
        f"{name}{suffix}"
        for name, metric in METRICS.items()
        for suffix in (("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",))
        if name not in NOT_HERE
    }
    for it in found:
        name, labels = it["metric"]["__name__"], set(it["metric"])
        metric = METRICS.get(name) or METRICS[name.rpartition("_")[0]]
        own = labels - {"__name__", "job", "instance", "le", "NodeAddress", "WorkerId"}
        assert own == {"pipeline", *metric.labels}, name
    events = [
        it for it in found
        if it["metric"]["__name__"] == "sensorium_records_total" and it["metric"]["stream"] == "b"
    ]  # fmt: skip
    assert [it["metric"]["outcome"] for it in events] == ["event"]
