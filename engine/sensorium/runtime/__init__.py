"""Executors: what takes a pipeline from its source to its sink."""

from sensorium.runtime._executor import Executor
from sensorium.runtime._flight import Flight, ThreadFlight
from sensorium.runtime._line import Line, OnPredictions
from sensorium.runtime._local import LocalExecutor
from sensorium.runtime._model import Models, load_models
from sensorium.runtime._reading import read_ingested
from sensorium.runtime._run import run_pipeline
from sensorium.runtime._signals import Stoppable, stop_on_signals
from sensorium.runtime._summary import RunSummary

__all__ = [
    "Executor",
    "Flight",
    "Line",
    "LocalExecutor",
    "Models",
    "OnPredictions",
    "RunSummary",
    "Stoppable",
    "ThreadFlight",
    "load_models",
    "read_ingested",
    "run_pipeline",
    "stop_on_signals",
]
