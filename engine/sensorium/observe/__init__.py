"""What a run shows of itself: metrics, health, logs. Below the executors, which feed it."""

from sensorium.observe._definitions import METRICS, Kind, Metric
from sensorium.observe._exporter import Exporter
from sensorium.observe._health import STALL_SECONDS, Health, Phase, Verdict, Waits
from sensorium.observe._histogram import Histogram
from sensorium.observe._meters import STAGES, Meters
from sensorium.observe._reading import Reading, Readings

__all__ = [
    "METRICS",
    "STAGES",
    "STALL_SECONDS",
    "Exporter",
    "Health",
    "Histogram",
    "Kind",
    "Meters",
    "Metric",
    "Phase",
    "Reading",
    "Readings",
    "Verdict",
    "Waits",
]
