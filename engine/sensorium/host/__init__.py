"""The host: the installed plugins, and a pipeline file composed with their own parts."""

from sensorium.host._check import Finding, Level, check_pipeline
from sensorium.host._checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from sensorium.host._config import (
    DoorConfig,
    FusionConfig,
    IngestConfig,
    ObserveConfig,
    PipelineConfig,
    Replicas,
    Resources,
    StreamConfig,
)
from sensorium.host._delivery import DeliveryProblem, delivery_problems, sharing_problems
from sensorium.host._door import door_token
from sensorium.host._host import PluginHost, default_host
from sensorium.host._load import load_pipeline
from sensorium.host._observers import Observers
from sensorium.host._pipeline import Pipeline, StreamPart, Target, TaskPart
from sensorium.host._plugin import LoadedPlugin
from sensorium.host._problem import Problem
from sensorium.host._registry import Registered, Registry, UnknownPluginError
from sensorium.host._schema import json_schema
from sensorium.host._secrets import resolve_secrets, secret_references

__all__ = [
    "Checkpoint",
    "DeliveryProblem",
    "DoorConfig",
    "Finding",
    "FusionConfig",
    "IngestConfig",
    "Level",
    "LoadedPlugin",
    "ObserveConfig",
    "Observers",
    "Pipeline",
    "PipelineConfig",
    "PluginHost",
    "Problem",
    "Registered",
    "Registry",
    "Replicas",
    "Resources",
    "StreamConfig",
    "StreamPart",
    "Target",
    "TaskPart",
    "UnknownPluginError",
    "check_pipeline",
    "default_host",
    "delivery_problems",
    "door_token",
    "json_schema",
    "load_pipeline",
    "read_checkpoint",
    "resolve_secrets",
    "secret_references",
    "sharing_problems",
    "write_checkpoint",
]
