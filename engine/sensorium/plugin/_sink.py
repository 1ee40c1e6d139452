"""A sink: where predictions and dead letters go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from sensorium.events import DeadLetter, Prediction
from sensorium.plugin._plugin import API_VERSION, PluginConfig

__all__ = ["Sink"]


class Sink(ABC):
    """Writes predictions, in the order given, and dead letters.

    Parameters
    ----------
    config
        The pipeline's ``sink`` without ``plugin``, as a `Config`.
    """

    name: ClassVar[str]
    """The name in the pipeline file, as ``kafka``."""
    api: ClassVar[int] = API_VERSION
    """The plugin API that the class was written for."""
    Config: ClassVar[type[PluginConfig]] = PluginConfig
    """The model of the configuration; strict."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def write(self, predictions: Sequence[Prediction]) -> None:
        """Take predictions; they are safe after the next `flush`."""

    @abstractmethod
    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Take dead letters; they are safe after the next `flush`."""

    @abstractmethod
    def flush(self) -> None:
        """Return when all that was taken is safe."""

    @abstractmethod
    def close(self) -> None:
        """Flush and free what is held; may be called twice."""
