"""The readings of a run in the words of prometheus-client, when it is scraped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from sensorium.observe._definitions import METRICS
from sensorium.observe._histogram import Histogram
from sensorium.observe._reading import Reading, Readings

__all__ = ["RunCollector"]


class RunCollector(Collector):
    """Reads a run when it is asked, and at no other time.

    Parameters
    ----------
    pipeline
        The value of the label ``pipeline``.
    readings
        Gives what there is. A metric without a reading is left out.
    """

    def __init__(self, pipeline: str, readings: Readings) -> None:
        self._pipeline = pipeline
        self._readings = readings

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is is known when it is asked for."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One family per metric that has a reading, in the order of the definitions."""
        found: dict[str, list[Reading]] = {}
        for reading in self._readings():
            found.setdefault(reading.name, []).append(reading)
        for name in METRICS:
            if name in found:
                yield self._family(name, found.pop(name))
        assert not found, f"readings without a definition: {sorted(found)}"

    def _family(self, name: str, readings: list[Reading]) -> Metric:
        metric = METRICS[name]
        labels = ("pipeline", *metric.labels)
        family: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
        if metric.kind == "histogram":
            family = HistogramMetricFamily(name, metric.help, labels=labels)
        elif metric.kind == "counter":
            family = CounterMetricFamily(name, metric.help, labels=labels)
        else:
            family = GaugeMetricFamily(name, metric.help, labels=labels)
        for reading in readings:
            values = (self._pipeline, *reading.labels)
            if isinstance(family, HistogramMetricFamily):
                assert isinstance(reading.value, Histogram)
                family.add_metric(values, _cumulated(reading.value), reading.value.sum)
            else:
                assert not isinstance(reading.value, Histogram)
                family.add_metric(values, reading.value)
        return family


def _cumulated(histogram: Histogram) -> list[tuple[str, float]]:
    total = 0
    buckets = []
    for bound, count in zip((*histogram.bounds, "+Inf"), histogram.counts, strict=True):
        total += count
        buckets.append((str(bound), float(total)))
    return buckets
