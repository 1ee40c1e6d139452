"""Fusion in a space that all streams share, held together by an adversary in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from sensorium.plugin import PluginConfig
from sensorium_plugins.fusions._torch_fusion import TorchFusion

if TYPE_CHECKING:
    import torch

__all__ = ["Adversarial", "AdversarialConfig"]


class AdversarialConfig(PluginConfig):
    """The size of the network, and how much the adversary counts.

    Parameters
    ----------
    dim
        The length of the projections.
    hidden
        Sizes of the hidden layers of each task's head.
    dropout
        The share of activations that training drops.
    strength
        What the adversary's gradient is multiplied by on its way to the projections; with 0 it
        changes nothing.
    """

    dim: int = Field(default=64, ge=1)
    hidden: list[Annotated[int, Field(ge=1)]] = Field(default_factory=lambda: [64])
    dropout: float = Field(default=0.2, ge=0, lt=1)
    strength: float = Field(default=1.0, ge=0, le=10)


class Adversarial(TorchFusion):
    """Projections that an adversary cannot tell apart by stream, averaged; then a head per task.

    In training, a small network guesses from a projection which stream it is of, and through a
    gradient reversal layer (Ganin et al., "Domain-adversarial training of neural networks", JMLR
    17, 2016) the projections learn to give it nothing to go by: what they hold is then what the
    streams share, and any of them can stand for the others. It hides what this adversary finds, not
    every trace, and the less the larger the tasks' losses are. It has no part in serving.

    A stream's contribution is the length of its vector as a share of all streams', the same for
    every task.
    """

    name: ClassVar[str] = "adversarial"
    Config: ClassVar[type[PluginConfig]] = AdversarialConfig
    config: AdversarialConfig

    def build(self) -> torch.nn.Module:
        """A fresh network."""
        from sensorium_plugins.fusions._adversarial_module import AdversarialModule

        return AdversarialModule(self.features, self.tasks, self.config)
