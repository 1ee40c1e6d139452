"""What the modalities that run in torch share: building, weights, and encoding."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from sensorium.plugin import Arrays, Features, Modality, Weights
from sensorium_plugins._extras import import_torch, to_array, to_device
from sensorium_plugins._weights import check_weights, from_module, shapes_of, to_module

if TYPE_CHECKING:
    import torch

__all__ = ["TorchModality", "scaling"]


class TorchModality(Modality):
    """A modality that trains and runs with torch.

    Its module takes the arrays of `prepare` as keyword tensors and gives features (batch, dim), or
    (batch, time, dim) with a mask.
    """

    requires: ClassVar[tuple[str, ...]] = ("torch",)

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._device = "cpu"
        self._module: Any = None

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """A fresh module of this configuration."""

    def load(self, device: str, weights: Weights | None) -> None:
        """Build the network; without weights, the same fresh one every time.

        Raises
        ------
        MissingExtraError
            If torch is not installed.
        PluginError
            If there is no such device, or the weights are not those of this modality in this
            configuration.
        """
        named = f"modality '{self.name}'"
        torch = import_torch(named)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = self.build()
        if weights is not None:
            check_weights(named, weights, shapes_of(module))
            to_module(module, weights)
        self._device = device
        self._module = to_device(module, device, named).eval()

    def module(self) -> torch.nn.Module:
        """The live network; takes the arrays of `prepare`, gives features."""
        if self._module is None:
            self.load(self._device, None)
        return self._module

    def encode(self, arrays: Arrays) -> Features:
        """Run the network on the arrays of `prepare`; features are float32."""
        torch = import_torch(f"modality '{self.name}'")
        module = self.module()
        with torch.inference_mode():
            # Copied: torch takes no read-only arrays.
            given = {
                name: torch.tensor(array, device=self._device) for name, array in arrays.items()
            }
            result: Any = module(**given)
        if isinstance(result, tuple):
            return Features(*map(to_array, result))
        return Features(to_array(result))

    def _with_scaling(self, rows: npt.NDArray[Any]) -> Weights:
        """The present weights, with `location` and `scale` of rows of shape (rows, channels)."""
        return from_module(self.module()) | scaling(rows)


def scaling(rows: npt.NDArray[Any]) -> dict[str, npt.NDArray[np.float32]]:
    """Mean and deviation of each column, as the weights ``location`` and ``scale``.

    A column that does not vary, or has no row, is only centred.
    """
    exact = np.asarray(rows, dtype=np.float64)
    if not len(exact):
        exact = np.zeros((1, exact.shape[1]))
    deviation = exact.std(axis=0)
    return {
        "location": exact.mean(axis=0).astype(np.float32),
        "scale": np.where(deviation > 1e-9, deviation, 1.0).astype(np.float32),
    }
