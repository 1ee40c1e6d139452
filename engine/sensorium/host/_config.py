"""The pipeline file's own part, as strict models; the plugins' parts stay open until they are
validated with the plugins' own models (see `sensorium.host._compose`)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from sensorium.durations import INFINITY, DurationField
from sensorium.wire import FieldMap, WireFormat

__all__ = [
    "RESERVED",
    "AlignConfig",
    "BatchConfig",
    "BreakerConfig",
    "DoorConfig",
    "FusionConfig",
    "InFlight",
    "ObserveConfig",
    "PipelineConfig",
    "PluginSection",
    "Replicas",
    "Resources",
    "RuntimeBatch",
    "RuntimeConfig",
    "StreamConfig",
    "TargetConfig",
    "TaskConfig",
]

_SECOND: Final = 1_000_000_000

Placement: TypeAlias = Literal["inline", "replica"]
Device: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")]
Precision: TypeAlias = Literal["float32", "bfloat16", "float16"]
#: Names of streams and tasks: they are prefixes of weights, keyword arguments and metric labels.
Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]
PipelineName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1)]


class _Section(BaseModel):
    """A part of the file: strict, frozen, unknown keys refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class _OpenSection(_Section):
    """A part of the file whose other keys belong to the plugin that it names."""

    model_config = ConfigDict(extra="allow")

    @property
    def own(self) -> dict[str, Any]:
        """The keys that belong to the plugin."""
        return dict(self.model_extra or {})


class Resources(_Section):
    """What one replica of a deployment takes, in Ray's terms."""

    num_cpus: float = Field(default=1.0, ge=0)
    """CPU cores."""
    num_gpus: float = Field(default=0.0, ge=0)
    """GPUs, or a part of one."""
    memory: int | None = Field(default=None, gt=0)
    """Bytes of memory."""
    accelerator_type: Text | None = None
    """The kind of GPU, as Ray names it."""


def _or_one_number(schema: dict[str, Any]) -> None:
    """Say in the JSON Schema that a plain number is taken, too."""
    whole = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "integer", "minimum": 1}, whole]


class Replicas(_Section):
    """How many replicas a deployment has: ``{min: 1, max: 4}``, or one fixed number."""

    model_config = ConfigDict(json_schema_extra=_or_one_number)

    min: int = Field(default=1, ge=0)
    """The fewest."""
    max: int = Field(default=1, ge=1)
    """The most."""

    @model_validator(mode="before")
    @classmethod
    def _one_number(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return {"min": value, "max": value}
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Replicas:
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is greater than max ({self.max})")
        return self


class BatchConfig(_Section):
    """The micro-batches of one stream's model."""

    size: int = Field(default=64, ge=1)
    """The most items of one call."""
    wait: DurationField = Field(default=5_000_000, ge=0)
    """How long a batch waits to fill."""


class RuntimeBatch(BatchConfig):
    """The micro-batches of sets that the engine takes through the models."""

    pad: bool = False
    """Whether every batch is padded to `size`, which makes scores bitwise reproducible."""


class StreamConfig(_Section):
    """One stream."""

    modality: Text
    """The modality plugin that decodes and encodes the stream."""
    topic: Text | None = None
    """The topic that it is read from; the stream's name if not given."""
    lateness: DurationField = Field(default=0, ge=0)
    """How far an event may lie behind the newest one of its key and still count."""
    max_delay: DurationField = Field(default=10 * _SECOND, ge=0)
    """How long after its event time an event may be logged and still count."""
    max_future: DurationField = Field(default=5 * _SECOND, ge=0)
    """How far ahead of its log time an event time may lie."""
    max_duration: DurationField = Field(default=10 * _SECOND, ge=0)
    """How long one event may last."""
    offset: DurationField = 0
    """What is added to every event time; it corrects a skewed clock."""
    format: WireFormat = "auto"
    """How records are read."""
    fields: FieldMap = Field(default_factory=FieldMap)
    """Where key, time and the rest are found in records that are not envelopes."""
    config: dict[str, Any] = Field(default_factory=dict)
    """The modality's own configuration."""
    placement: Placement = "inline"
    """Whether the model runs in the caller or in a deployment of its own."""
    resources: Resources = Field(default_factory=Resources)
    """What one replica takes."""
    replicas: Replicas = Field(default_factory=Replicas)
    """How many replicas there are."""
    batch: BatchConfig | None = None
    """The stream's micro-batches; `runtime.batch` if not given."""
    encode: Literal["settled", "eager"] = "settled"
    """When events are encoded: with the set that has settled, or, by a modality that encodes per
    event, as soon as they are read."""
    device: Device = "auto"
    """Where the model runs: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``."""
    precision: Precision = "float32"
    """In which numbers a torch model computes what it can in them; features stay as declared."""
    on_failure: Literal["absent", "stop"] = "absent"
    """What a model that fails again and again leads to: ``absent``: the stream is absent from its
    sets until it works again; ``stop``: the pipeline stops."""


class AlignConfig(_OpenSection):
    """The alignment policy, with its parameters inline."""

    policy: Text
    """The policy that says which events belong together."""
    max_pending_events: int | None = Field(default=None, ge=1)
    """How many events of a partition number may wait for their sets."""
    max_pending_bytes: int | None = Field(default=None, ge=1)
    """How many bytes these may hold, by an estimate."""
    max_keys: int | None = Field(default=None, ge=1)
    """How many keys of a partition number are remembered."""


class PluginSection(_OpenSection):
    """A source or a sink, with its configuration inline."""

    plugin: Text
    """The name of the plugin."""


class FusionConfig(_OpenSection):
    """The fusion, with its configuration inline."""

    plugin: Text
    """The name of the plugin."""
    device: Device = "auto"
    """Where the model runs: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``."""
    precision: Precision = "float32"
    """In which numbers a torch model computes what it can in them; features stay as declared."""
    placement: Placement = "inline"
    """Whether the model runs in the caller or in a deployment of its own."""
    resources: Resources = Field(default_factory=Resources)
    """What one replica takes."""
    replicas: Replicas = Field(default_factory=Replicas)
    """How many replicas there are."""


class TargetConfig(_Section):
    """Where the truth of a task is found, for training and evaluation."""

    stream: Text
    """A stream of the recording that is not one of the pipeline's."""
    field: str = ""
    """A dotted path into its payload; empty for the payload itself."""


class TaskConfig(_OpenSection):
    """What is to be predicted, with the task's configuration inline."""

    type: Text
    """The kind of the task, as ``classification``."""
    weight: float = Field(default=1.0, ge=0)
    """Its weight in the joint loss."""
    target: TargetConfig | None = None
    """Where its truth is found."""


class InFlight(_Section):
    """How much may wait for the models or be worked on; when it is, reading stops."""

    sets: int = Field(default=4096, ge=1)
    """The most sets."""
    bytes: int = Field(default=1 << 30, ge=1)
    """The most bytes that their values may hold, estimated; a value counts with every set that
    it is in."""


class BreakerConfig(_Section):
    """When a model that fails as a whole is spared, and for how long."""

    failures: int = Field(default=10, ge=1)
    """After how many calls in a row of which nothing could be encoded."""
    pause: DurationField = Field(default=30 * _SECOND, gt=0, lt=math.inf)
    """How long until it is asked again."""


class IngestConfig(_Section):
    """The deployment that reads, aligns and emits, on Ray Serve."""

    replicas: Replicas = Field(default_factory=Replicas)
    """How many share the partitions of the source; `deploy` scales them by their lag."""
    resources: Resources = Field(default_factory=Resources)
    """What one replica takes."""
    target_lag: DurationField = Field(default=10 * _SECOND, gt=0, lt=INFINITY)
    """How far a replica may lie behind, with what it has read too, before there are more."""
    cool_down: DurationField = Field(default=60 * _SECOND, ge=0, lt=INFINITY)
    """How long after a change of their number it is not changed again: each change is a rebalance,
    after which one horizon of the log is read again."""

    @model_validator(mode="after")
    def _somebody_reads(self) -> IngestConfig:
        if self.replicas.min < 1:
            raise ValueError("replicas.min is 0, and then nobody would read that there is work")
        return self


class RuntimeConfig(_Section):
    """How the pipeline is executed."""

    executor: Literal["local", "serve"] = "local"
    """``local``: in one process. ``serve``: on Ray Serve."""
    ingest: IngestConfig = Field(default_factory=IngestConfig)
    """The deployment that reads, aligns and emits, on Ray Serve."""
    batch: RuntimeBatch = Field(default_factory=RuntimeBatch)
    """The micro-batches of sets."""
    threads: int = Field(default=2, ge=1)
    """How many threads run the models."""
    in_flight: InFlight = Field(default_factory=InFlight)
    """How much may wait for the models or be worked on."""
    commit_interval: DurationField | None = Field(default=None, ge=0, lt=INFINITY)
    """How often cuts are committed, where the source keeps any; if not given, ``1s``, or ``100ms``
    with ``delivery: exactly_once``, where predictions are visible when they are committed."""
    max_lead: DurationField = Field(default=60 * _SECOND, gt=0)
    """How far, in log time, a topic may be read ahead of the others."""
    drain: DurationField = Field(default=30 * _SECOND, ge=0, lt=INFINITY)
    """How long what is in flight may take to be finished when the pipeline is stopped, or its
    partitions are given to another process; after that it is left to the next one."""
    retries: int = Field(default=2, ge=0)
    """How often a call of a model is made again that failed as a whole and may succeed later."""
    breaker: BreakerConfig = Field(default_factory=BreakerConfig)
    """When a model that fails as a whole is spared, and for how long."""


class ObserveConfig(_Section):
    """Where metrics and health are served over HTTP."""

    bind: Text = "127.0.0.1"
    """The address to listen on."""
    port: int = Field(default=9464, ge=0, le=65535)
    """The port; 0 for any that is free."""
    stall_after: DurationField = Field(default=60 * _SECOND, gt=0)
    """How long the engine's loop may take over one turn and still count as live, and how long
    source, sink and models may be silent and the engine still count as ready."""
    silent_after: DurationField = Field(default=60 * _SECOND, gt=0)
    """How far, in log time, a stream's newest event may lie behind that of another before the log
    says that the stream is silent."""


class DoorConfig(_Section):
    """Where single sets are answered over HTTP, for trying the pipeline."""

    bind: Text = "127.0.0.1"
    """The address to listen on; any but loopback needs a token."""
    port: int = Field(default=9465, ge=0, le=65535)
    """The port; 0 for any that is free."""
    token: Annotated[str, StringConstraints(pattern=r"^\$\{(env|file):[^{}]+\}$")] = (
        "${env:SENSORIUM_DOOR_TOKEN}"  # noqa: S105 - where it is
    )
    """Where the token is that requests have to carry: ``${env:NAME}`` or ``${file:PATH}``."""
    max_bytes: int = Field(default=16 * 1024 * 1024, ge=1)
    """The largest request, in bytes."""


class PipelineConfig(_Section):
    """A pipeline file."""

    pipeline: PipelineName
    """The name of the pipeline."""
    source: PluginSection | None = None
    """Where records come from."""
    streams: dict[Name, StreamConfig] = Field(min_length=1)
    """The inputs, by name."""
    align: AlignConfig
    """Which events belong together."""
    fusion: FusionConfig
    """How the streams' features become predictions."""
    tasks: dict[Name, TaskConfig] = Field(min_length=1)
    """What is predicted, by name."""
    checkpoint: Path | None = None
    """The weights, a safetensors file; relative to the folder of the pipeline file."""
    sink: PluginSection | None = None
    """Where predictions go."""
    delivery: Literal["at_least_once", "exactly_once"] = "at_least_once"
    """What a failure may do to the predictions."""
    runtime: RuntimeConfig = Field(default_factory=RuntimeConfig)
    """How the pipeline is executed."""
    observe: ObserveConfig | None = None
    """Where metrics are served; nowhere if not given."""
    door: DoorConfig | None = None
    """Where single sets are answered; nowhere if not given."""


def _own_keys(section: type[BaseModel]) -> frozenset[str]:
    return frozenset(section.model_fields)


#: Per kind of plugin, the keys of its section that are the engine's.
RESERVED: Final[dict[str, frozenset[str]]] = {
    "modality": frozenset(),
    "fusion": _own_keys(FusionConfig),
    "task": _own_keys(TaskConfig),
    "policy": _own_keys(AlignConfig),
    "source": _own_keys(PluginSection),
    "sink": _own_keys(PluginSection),
}
