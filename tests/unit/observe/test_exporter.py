"""Metrics and health over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sensorium.errors import ConfigError
from sensorium.observe import Exporter, Health, Histogram, Reading


def get(address: str, path: str, accept: str = "", method: str = "GET") -> tuple[int, str, str]:
    request = urllib.request.Request(address + path, headers={"Accept": accept}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


@pytest.fixture
def health() -> Health:
    health = Health()
    health.phase = "running"
    return health


@pytest.fixture
def exporter(health: Health) -> Iterator[Exporter]:
    with Exporter("watch", health, "127.0.0.1", 0, version="1.2", executor="local") as exporter:
        yield exporter


def test_readings_become_series_with_the_pipeline(exporter: Exporter) -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.5, 1.5, 7.0):
        histogram.add(value)
    exporter.attach(
        lambda: [
            Reading("sensorium_batch_sets", (), histogram),
            Reading("sensorium_records_total", ("accel", "event"), 7),
            Reading("sensorium_keys", (), 3),
        ]
    )
    status, _, text = get(exporter.address, "/metrics")
    assert status == 200
    lines = text.splitlines()
    for line in (
        'sensorium_batch_sets_bucket{le="1.0",pipeline="watch"} 1.0',
        'sensorium_batch_sets_bucket{le="2.0",pipeline="watch"} 3.0',
        'sensorium_batch_sets_bucket{le="+Inf",pipeline="watch"} 4.0',
        'sensorium_batch_sets_count{pipeline="watch"} 4.0',
        'sensorium_batch_sets_sum{pipeline="watch"} 10.5',
        'sensorium_records_total{outcome="event",pipeline="watch",stream="accel"} 7.0',
        'sensorium_keys{pipeline="watch"} 3.0',
        'sensorium_build_info{executor="local",pipeline="watch",version="1.2"} 1.0',
        'sensorium_live{pipeline="watch"} 1.0',
        'sensorium_ready{pipeline="watch"} 1.0',
    ):
        assert line in lines
    assert any(line.startswith("process_cpu_seconds_total") for line in lines)
    assert list(text_string_to_metric_families(text))


def test_openmetrics_is_given_to_who_asks_for_it(exporter: Exporter) -> None:
    _, kind, text = get(exporter.address, "/metrics", accept="application/openmetrics-text")
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")


def test_health_is_json_with_reasons(exporter: Exporter, health: Health) -> None:
    assert get(exporter.address, "/health/ready")[0] == 200
    health.phase = "loading"
    status, kind, body = get(exporter.address, "/health/ready")
    assert (status, kind) == (503, "application/json")
    assert json.loads(body) == {
        "pipeline": "watch",
        "ready": False,
        "reasons": ["models are being loaded"],
    }
    status, _, body = get(exporter.address, "/health/live")
    assert status == 200
    assert json.loads(body) == {"pipeline": "watch", "live": True, "reasons": []}
    assert get(exporter.address, "/health/live", method="HEAD") == (200, "application/json", "")


def test_another_path_says_which_there_are(exporter: Exporter) -> None:
    status, _, body = get(exporter.address, "/")
    assert status == 404
    assert "/metrics, /health/live and /health/ready" in body


def test_a_port_that_is_taken_is_told_with_what_to_do(exporter: Exporter, health: Health) -> None:
    port = int(exporter.address.rpartition(":")[2])
    with pytest.raises(ConfigError) as caught:
        Exporter("watch", health, "127.0.0.1", port, version="1", executor="local")
    assert str(caught.value) == (
        f"observe.port: cannot serve metrics and health on 127.0.0.1:{port}: Address already in "
        "use. Choose another port (0 for any that is free), or stop what listens there"
    )


def test_when_it_is_closed_nothing_listens_there(health: Health) -> None:
    with Exporter("watch", health, "127.0.0.1", 0, version="1", executor="local") as one:
        port = int(one.address.rpartition(":")[2])
    with Exporter("watch", health, "127.0.0.1", port, version="1", executor="local") as two:
        assert get(two.address, "/health/live")[0] == 200
