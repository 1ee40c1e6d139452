"""A composed pipeline: the file's topology with the plugins' classes and their configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from sensorium.plugin import (
    Fusion,
    Modality,
    PluginConfig,
    Policy,
    Sink,
    Source,
    StreamSpec,
    Task,
)

if TYPE_CHECKING:
    from sensorium.host._config import PipelineConfig
    from sensorium.wire import FieldMap, WireFormat

__all__ = ["AlignLimits", "Pipeline", "StreamPart", "Target", "TaskPart"]


class AlignLimits(TypedDict):
    """The memory limits of an aligner, by the names of its parameters."""

    max_pending_events: int | None
    max_pending_bytes: int | None
    max_keys: int | None


@dataclass(frozen=True, slots=True)
class StreamPart:
    """One stream: where it is read, how it is decoded and encoded, how its events come."""

    name: str
    topic: str
    modality: type[Modality]
    config: PluginConfig
    spec: StreamSpec
    format: WireFormat
    fields: FieldMap
    device: str
    batch_size: int
    """The most items of one call of `Modality.encode`."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the truth of a task is found: a stream of the recording and a field of its payload.

    It is joined after a set has settled: the key's newest value that is not later than the set.
    """

    stream: str
    field: str
    """A dotted path into the payload; empty for the payload itself."""


@dataclass(frozen=True, slots=True)
class TaskPart:
    """One task, its weight in the joint loss, and where its truth is found."""

    name: str
    task: Task
    target: Target | None
    weight: float


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything that a runtime needs to know; classes and configuration, no live models."""

    name: str
    streams: Mapping[str, StreamPart]
    policy: Policy
    fusion: type[Fusion]
    fusion_config: PluginConfig
    fusion_device: str
    tasks: Mapping[str, TaskPart]
    source: type[Source] | None
    source_config: PluginConfig | None
    sink: type[Sink] | None
    sink_config: PluginConfig | None
    checkpoint: Path | None
    """Resolved against the folder of the pipeline file."""
    config: PipelineConfig
    """The validated file, for what is not named above (runtime, delivery, observe)."""

    def document(self) -> dict[str, Any]:
        """The file as plain data, overrides applied, from which `load_pipeline` makes the same.

        References to secrets stay references; the path of the checkpoint is absolute.
        """
        document: dict[str, Any] = self.config.model_dump(mode="json", exclude_unset=True)
        if self.checkpoint is not None:
            document["checkpoint"] = str(self.checkpoint.resolve())
        return document

    @property
    def limits(self) -> AlignLimits:
        """The memory limits of an aligner, by the names of its parameters."""
        align = self.config.align
        return {
            "max_pending_events": align.max_pending_events,
            "max_pending_bytes": align.max_pending_bytes,
            "max_keys": align.max_keys,
        }

    def modalities(self) -> dict[str, Modality]:
        """A fresh, not yet loaded modality per stream."""
        return {name: part.modality(part.config) for name, part in self.streams.items()}

    def fusion_for(self, modalities: Mapping[str, Modality]) -> Fusion:
        """A fresh, not yet loaded fusion over the features of these modalities."""
        return self.fusion(
            self.fusion_config,
            {name: modality.feature for name, modality in modalities.items()},
            {name: part.task for name, part in self.tasks.items()},
        )
