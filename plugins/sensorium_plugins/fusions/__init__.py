"""The built-in fusions: how the features of several streams become one output per task."""

from sensorium_plugins.fusions._adversarial import Adversarial, AdversarialConfig
from sensorium_plugins.fusions._concat import Concat, ConcatConfig
from sensorium_plugins.fusions._gated import Gated, GatedConfig
from sensorium_plugins.fusions._late import Late, LateConfig
from sensorium_plugins.fusions._max import Max, MaxConfig
from sensorium_plugins.fusions._mean import Mean, MeanConfig
from sensorium_plugins.fusions._transformer import Transformer, TransformerConfig
from sensorium_plugins.fusions._triton import Triton, TritonFusionConfig
from sensorium_plugins.fusions._weighted import Weighted, WeightedConfig

__all__ = [
    "Adversarial",
    "AdversarialConfig",
    "Concat",
    "ConcatConfig",
    "Gated",
    "GatedConfig",
    "Late",
    "LateConfig",
    "Max",
    "MaxConfig",
    "Mean",
    "MeanConfig",
    "Transformer",
    "TransformerConfig",
    "Triton",
    "TritonFusionConfig",
    "Weighted",
    "WeightedConfig",
]
