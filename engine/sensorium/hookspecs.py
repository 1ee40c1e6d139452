"""The hooks of a Sensorium plugin.

A plugin is a module named in the entry-point group ``sensorium``. It marks its functions with
`hookimpl`; each returns the classes that it brings, or observes batches. An observer must return
quickly, must not change what it is given, and its errors are logged and never stop the pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from sensorium.events import AlignedSet, DeadLetter, Event, Prediction
    from sensorium.plugin import Fusion, Modality, Policy, Sink, Source, Task

__all__ = [
    "PROJECT",
    "hookimpl",
    "sensorium_fusions",
    "sensorium_modalities",
    "sensorium_on_dead_letters",
    "sensorium_on_events",
    "sensorium_on_predictions",
    "sensorium_on_sets",
    "sensorium_policies",
    "sensorium_sinks",
    "sensorium_sources",
    "sensorium_tasks",
]

#: The name of the entry-point group and of the pluggy project.
PROJECT: Final = "sensorium"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def sensorium_modalities() -> Sequence[type[Modality]]:
    """Return the modality classes of this plugin. Called once per process, at start-up."""
    return ()


@hookspec
def sensorium_fusions() -> Sequence[type[Fusion]]:
    """Return the fusion classes of this plugin. Called once per process, at start-up."""
    return ()


@hookspec
def sensorium_tasks() -> Sequence[type[Task]]:
    """Return the task classes of this plugin. Called once per process, at start-up."""
    return ()


@hookspec
def sensorium_policies() -> Sequence[type[Policy]]:
    """Return the alignment policies of this plugin. Called once per process, at start-up."""
    return ()


@hookspec
def sensorium_sources() -> Sequence[type[Source]]:
    """Return the source classes of this plugin. Called once per process, at start-up."""
    return ()


@hookspec
def sensorium_sinks() -> Sequence[type[Sink]]:
    """Return the sink classes of this plugin. Called once per process, at start-up."""
    return ()


@hookspec
def sensorium_on_events(pipeline: str, events: Sequence[Event]) -> None:
    """Observe a batch of decoded events, after ingest and before align."""


@hookspec
def sensorium_on_sets(pipeline: str, sets: Sequence[AlignedSet]) -> None:
    """Observe a batch of aligned sets, after align and before encode."""


@hookspec
def sensorium_on_predictions(pipeline: str, predictions: Sequence[Prediction]) -> None:
    """Observe a batch of predictions, when emit has handed it to the sink."""


@hookspec
def sensorium_on_dead_letters(pipeline: str, letters: Sequence[DeadLetter]) -> None:
    """Observe a batch of dead letters, of whichever stage."""
