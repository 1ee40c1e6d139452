"""How readings become series for Ray."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from sensorium.observe import Histogram, Reading
from sensorium.observe._collector import RunCollector
from sensorium.runtime.serve._metrics import series_of


def test_the_series_are_those_of_the_local_executor() -> None:
    histogram = Histogram((0.5, 2.5))
    for value in (0.1, 1.0, 9.0):
        histogram.add(value)
    readings = [
        Reading("sensorium_stage_seconds", ("ingest",), histogram),
        Reading("sensorium_records_total", ("accel", "event"), 0),
        Reading("sensorium_keys", (), 3),
    ]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RunCollector("watch", lambda: readings))
    local = {
        (sample.name, frozenset(sample.labels.items()), sample.value)
        for family in registry.collect()
        for sample in family.samples
    }
    ray = {
        (name, frozenset({"pipeline": "watch", **labels}.items()), value)
        for reading in readings
        for name, labels, value in series_of(reading)
    }
    assert ray == local
