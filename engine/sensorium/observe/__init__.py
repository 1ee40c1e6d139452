"""What a run shows of itself: metrics, health, logs. Below the executors, which feed it."""

from sensorium.observe._definitions import METRICS, Kind, Metric
from sensorium.observe._exporter import Exporter, health_readings
from sensorium.observe._health import Health, Phase, Verdict, Waits
from sensorium.observe._health_watch import HealthWatch
from sensorium.observe._histogram import Histogram
from sensorium.observe._journal import Journal
from sensorium.observe._log_handler import LOG_LEVELS, LogFormat, logging_to
from sensorium.observe._meters import STAGES, Meters
from sensorium.observe._reading import Reading, Readings

__all__ = [
    "LOG_LEVELS",
    "METRICS",
    "STAGES",
    "Exporter",
    "Health",
    "HealthWatch",
    "Histogram",
    "Journal",
    "Kind",
    "LogFormat",
    "Meters",
    "Metric",
    "Phase",
    "Reading",
    "Readings",
    "Verdict",
    "Waits",
    "health_readings",
    "logging_to",
]
