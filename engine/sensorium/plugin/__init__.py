"""The plugin API: the base classes and small types that every plugin is written against.

`API_VERSION` changes when one of them changes in a way that breaks a plugin; a plugin class names
the version that it was written for as its `api`.
"""

from sensorium.plugin._cut import Assignee, Cut, CutPosition, TopicPartition
from sensorium.plugin._deadlines import Deadlines
from sensorium.plugin._fusion import Fusion, TaskOutput
from sensorium.plugin._log import Log, Logged, Topic, TopicRole
from sensorium.plugin._modality import (
    Arrays,
    Features,
    FeatureSpec,
    Modality,
    Payload,
    Samples,
    Weights,
)
from sensorium.plugin._plugin import API_VERSION, PluginConfig
from sensorium.plugin._policy import Entry, Matcher, Policy, Settled, StreamSpec, View
from sensorium.plugin._sink import Sink
from sensorium.plugin._source import Batch, Record, Source
from sensorium.plugin._task import Task
from sensorium.plugin._training import Fittable, FusionFittable, Progress, Trainable

__all__ = [
    "API_VERSION",
    "Arrays",
    "Assignee",
    "Batch",
    "Cut",
    "CutPosition",
    "Deadlines",
    "Entry",
    "FeatureSpec",
    "Features",
    "Fittable",
    "Fusion",
    "FusionFittable",
    "Log",
    "Logged",
    "Matcher",
    "Modality",
    "Payload",
    "PluginConfig",
    "Policy",
    "Progress",
    "Record",
    "Samples",
    "Settled",
    "Sink",
    "Source",
    "StreamSpec",
    "Task",
    "TaskOutput",
    "Topic",
    "TopicPartition",
    "TopicRole",
    "Trainable",
    "View",
    "Weights",
]
