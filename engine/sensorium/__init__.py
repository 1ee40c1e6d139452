"""Sensorium: a plugin-based streaming inference engine for multimodal events.

The names below are the public API; they are loaded when they are first used, so that
``import sensorium`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sensorium.align import Aligner, Approximate, Exact, Nearest, Window
    from sensorium.errors import PayloadError, SensoriumError, UnavailableError
    from sensorium.events import (
        Absence,
        AlignedSet,
        DeadLetter,
        Event,
        Fate,
        Prediction,
        TaskResult,
    )
    from sensorium.hookspecs import hookimpl
    from sensorium.plugin import (
        Arrays,
        Batch,
        Features,
        FeatureSpec,
        Fusion,
        Modality,
        Payload,
        PluginConfig,
        Policy,
        Record,
        Samples,
        Sink,
        Source,
        StreamSpec,
        Task,
        TaskOutput,
        Trainable,
        Weights,
    )

__version__ = "0.1.0"

_HOME = {
    "Absence": "events",
    "AlignedSet": "events",
    "Aligner": "align",
    "Approximate": "align",
    "Arrays": "plugin",
    "Batch": "plugin",
    "DeadLetter": "events",
    "Event": "events",
    "Exact": "align",
    "Fate": "events",
    "FeatureSpec": "plugin",
    "Features": "plugin",
    "Fusion": "plugin",
    "Modality": "plugin",
    "Nearest": "align",
    "Payload": "plugin",
    "PayloadError": "errors",
    "PluginConfig": "plugin",
    "Policy": "plugin",
    "Prediction": "events",
    "Record": "plugin",
    "Samples": "plugin",
    "SensoriumError": "errors",
    "Sink": "plugin",
    "Source": "plugin",
    "StreamSpec": "plugin",
    "Task": "plugin",
    "TaskOutput": "plugin",
    "TaskResult": "events",
    "Trainable": "plugin",
    "UnavailableError": "errors",
    "Weights": "plugin",
    "Window": "align",
    "hookimpl": "hookspecs",
}

__all__ = [
    "Absence",
    "AlignedSet",
    "Aligner",
    "Approximate",
    "Arrays",
    "Batch",
    "DeadLetter",
    "Event",
    "Exact",
    "Fate",
    "FeatureSpec",
    "Features",
    "Fusion",
    "Modality",
    "Nearest",
    "Payload",
    "PayloadError",
    "PluginConfig",
    "Policy",
    "Prediction",
    "Record",
    "Samples",
    "SensoriumError",
    "Sink",
    "Source",
    "StreamSpec",
    "Task",
    "TaskOutput",
    "TaskResult",
    "Trainable",
    "UnavailableError",
    "Weights",
    "Window",
    "__version__",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(f"sensorium.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'sensorium' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
