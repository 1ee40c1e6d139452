"""The host: the installed plugins, and a pipeline file composed with their own parts."""

from sensorium.host._config import PipelineConfig
from sensorium.host._host import PluginHost, default_host
from sensorium.host._pipeline import Pipeline, StreamPart, Target, TaskPart
from sensorium.host._plugin import LoadedPlugin
from sensorium.host._problem import Problem
from sensorium.host._registry import Registered, Registry, UnknownPluginError
