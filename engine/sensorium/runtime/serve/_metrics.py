"""Metrics of a replica, handed to Ray, which exports them for Prometheus on every node."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final

from ray.util.metrics import Gauge

from sensorium.observe import METRICS, Histogram, Reading, Readings

__all__ = ["RayMetrics"]

#: How often readings are handed over, in seconds; Ray itself reports each ten.
_EVERY: Final = 5.0


class RayMetrics:
    """Hands readings to Ray from time to time, from when it is made until `close`.

    Everything is a gauge to Ray, counters and the series of histograms too: a gauge takes the value
    as it is, 0 included, so that the series are those of the local executor, and Prometheus asks no
    series for its kind. Ray puts ``ray_`` before the names; the shipped scrape configuration takes
    it away.

    Parameters
    ----------
    pipeline
        The pipeline's name.
    readings
        Gives what there is.
    every
        Seconds between two times.
    """

    def __init__(self, pipeline: str, readings: Readings, every: float = _EVERY) -> None:
        self._pipeline = pipeline
        self._readings = readings
        self._every = every
        self._gauges: dict[str, Any] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._turn, name="sensorium-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hand over what there is now, and end; may be called twice."""
        self._ended.set()
        self._thread.join()

    def _turn(self) -> None:
        ended = False
        while not ended:
            ended = self._ended.wait(self._every)
            for reading in self._readings():
                for name, labels, value in series_of(reading):
                    self._gauge(name, reading.name).set(
                        value, {"pipeline": self._pipeline, **labels}
                    )

    def _gauge(self, name: str, metric: str) -> Any:
        found = self._gauges.get(name)
        if found is None:
            labels = ["pipeline", *METRICS[metric].labels]
            if name.endswith("_bucket") and METRICS[metric].kind == "histogram":
                labels.append("le")
            found = Gauge(name, METRICS[metric].help, tag_keys=tuple(labels))
            self._gauges[name] = found
        return found


def series_of(reading: Reading) -> Iterator[tuple[str, dict[str, str], float]]:
    """Names, labels and values of the series of a reading, as Prometheus has them."""
    labels = dict(zip(METRICS[reading.name].labels, reading.labels, strict=True))
    value = reading.value
    if not isinstance(value, Histogram):
        yield reading.name, labels, value
        return
    bounds = [*map(str, value.bounds), "+Inf"]
    total = 0
    for bound, total in zip(bounds, accumulate(value.counts), strict=True):
        yield f"{reading.name}_bucket", {**labels, "le": bound}, total
    yield f"{reading.name}_count", labels, total
    yield f"{reading.name}_sum", labels, value.sum
