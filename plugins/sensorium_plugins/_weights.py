"""A plugin's weights, checked before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sensorium.errors import PluginError
from sensorium.plugin import Weights

__all__ = ["Shapes", "check_weights", "from_module", "shapes_of", "to_module"]

#: Per weight, its shape.
Shapes: TypeAlias = Mapping[str, tuple[int, ...]]


def shapes_of(module: Any) -> dict[str, tuple[int, ...]]:
    """The shapes that the parameters and buffers of a torch module have."""
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def check_weights(plugin: str, weights: Weights, shapes: Shapes) -> None:
    """Refuse weights that are not those of this plugin in this pipeline.

    Parameters
    ----------
    plugin
        What they are for, as ``"fusion 'concat'"``.
    weights
        What the checkpoint holds.
    shapes
        What is expected.

    Raises
    ------
    PluginError
        If names are missing or too many, a shape differs, or a number is not finite.
    """
    faults = [f"{name} is missing" for name in shapes if name not in weights]
    faults += [f"{name} is not expected" for name in weights if name not in shapes]
    for name, shape in shapes.items():
        if name not in weights:
            continue
        if tuple(weights[name].shape) != shape:
            faults.append(f"{name} has shape {tuple(weights[name].shape)}, expected {shape}")
        elif not np.isfinite(weights[name]).all():
            faults.append(f"{name} holds a number that is not finite")
    if faults:
        more = f" and {len(faults) - 4} more" if len(faults) > 4 else ""
        raise PluginError(
            f"{plugin}: the checkpoint does not fit the pipeline: {'; '.join(faults[:4])}{more}; "
            f"train it again with this pipeline, or name the checkpoint that belongs to it"
        )


def from_module(module: Any) -> dict[str, npt.NDArray[Any]]:
    """The parameters and buffers of a torch module as numpy arrays: copies, for it may train on."""
    return {
        name: tensor.detach().cpu().numpy().copy() for name, tensor in module.state_dict().items()
    }


def to_module(module: Any, weights: Weights) -> None:
    """Load checked weights into a torch module of the same names."""
    from sensorium_plugins._extras import import_torch

    torch = import_torch("loading weights")
    module.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
