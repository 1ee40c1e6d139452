"""Late fusion: every stream decides for itself, and the decisions are averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from sensorium.plugin import PluginConfig
from sensorium_plugins.fusions._torch_fusion import TorchFusion

if TYPE_CHECKING:
    import torch

__all__ = ["Late", "LateConfig"]


class LateConfig(PluginConfig):
    """The size of each stream's own heads.

    Parameters
    ----------
    hidden
        Sizes of the hidden layers of each stream's head for each task.
    dropout
        The share of activations that training drops.
    """

    hidden: list[Annotated[int, Field(ge=1)]] = Field(default_factory=lambda: [32])
    dropout: float = Field(default=0.2, ge=0, lt=1)


class Late(TorchFusion):
    """A head per stream and task; the probabilities, or values, of the streams present averaged.

    No stream sees another, so that each works alone as well as it can. A stream's contribution
    is the distance of its own raw outputs from the prior, as a share of all streams'. Of a task
    that is neither of the built-in ones with labels nor gives values, raw outputs are averaged.
    It trains and runs with torch.
    """

    name: ClassVar[str] = "late"
    Config: ClassVar[type[PluginConfig]] = LateConfig
    config: LateConfig

    def build(self) -> torch.nn.Module:
        """A fresh network."""
        from sensorium_plugins.fusions._late_module import LateModule

        return LateModule(self.features, self.tasks, self.config.hidden, self.config.dropout)
