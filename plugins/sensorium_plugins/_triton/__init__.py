"""What the modality and the fusion `triton` share: one model of a Triton Inference Server."""

from sensorium_plugins._triton._config import TritonConfig
from sensorium_plugins._triton._contract import FLOATS, Contract, Tensor
from sensorium_plugins._triton._model import TritonModel

__all__ = ["FLOATS", "Contract", "Tensor", "TritonConfig", "TritonModel"]
