"""What a plugin gives back is checked before it goes on; the errors name plugin and fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.errors import PluginError
from sensorium.plugin import Arrays, Features, FeatureSpec, TaskOutput

__all__ = ["check_arrays", "check_features", "check_output", "finite_rows", "rows_of"]


def check_arrays(arrays: object, rows: int, plugin: str) -> None:
    """Refuse what `Modality.prepare` gave unless it is arrays of plain numbers, one row an item.

    Raises
    ------
    PluginError
        Naming plugin, array and fault.
    """
    if not isinstance(arrays, Mapping) or not arrays:
        raise PluginError(
            f"{plugin}.prepare must give a mapping of arrays, not {type(arrays).__name__}"
        )
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise PluginError(
                f"{plugin}.prepare gave {type(array).__name__} as {name!r}; it must be an array"
            )
        if array.dtype.hasobject:
            raise PluginError(
                f"{plugin}.prepare gave {name!r} with the dtype {array.dtype}; only plain numbers, "
                "bytes and text may cross a process boundary"
            )
        if array.ndim == 0 or len(array) != rows:
            raise PluginError(
                f"{plugin}.prepare gave {name!r} of shape {array.shape} for {rows} items; the "
                "first axis is the item"
            )


def check_features(features: object, rows: int, spec: FeatureSpec, plugin: str) -> None:
    """Refuse what `Modality.encode` gave unless it is as declared.

    Raises
    ------
    PluginError
        Naming plugin and fault.
    """
    if not isinstance(features, Features) or not isinstance(features.data, np.ndarray):
        raise PluginError(
            f"{plugin}.encode must give Features of numpy arrays, not {features!r:.80}"
        )
    data, mask = features.data, features.mask
    if spec.kind == "vector":
        fits = data.shape == (rows, spec.dim)
        wanted = f"({rows}, {spec.dim})"
    else:
        fits = data.ndim == 3 and (data.shape[0], data.shape[2]) == (rows, spec.dim)
        wanted = f"({rows}, time, {spec.dim})"
    if not fits:
        raise PluginError(f"{plugin}.encode gave data of shape {data.shape}; declared is {wanted}")
    if data.dtype != np.dtype(spec.dtype):
        raise PluginError(
            f"{plugin}.encode gave data of dtype {data.dtype}; declared is {spec.dtype}"
        )
    if spec.kind == "vector":
        if mask is not None:
            raise PluginError(f"{plugin}.encode gave a mask; its features are vectors")
        return
    if mask is None:
        raise PluginError(f"{plugin}.encode gave no mask; a sequence needs one")
    if mask.dtype != np.bool_ or mask.shape != data.shape[:2]:
        raise PluginError(
            f"{plugin}.encode gave a mask of shape {mask.shape} and dtype {mask.dtype}; a sequence "
            f"needs bool of shape {data.shape[:2]}"
        )


def check_output(
    output: object, rows: int, size: int, streams: int, plugin: str, task: str
) -> None:
    """Refuse what `Fusion.fuse` gave for a task unless it is as declared.

    Raises
    ------
    PluginError
        Naming plugin, task and fault.
    """
    where = f"{plugin}.fuse"
    if not isinstance(output, TaskOutput):
        raise PluginError(f"{where} gave no TaskOutput for the task {task!r}")
    if (output.scores is None) == (output.values is None):
        raise PluginError(f"{where} must give either scores or values for the task {task!r}")
    given = output.scores if output.scores is not None else output.values
    if not isinstance(given, np.ndarray) or given.shape != (rows, size):
        raise PluginError(
            f"{where} gave {_shape(given)} for the task {task!r}; it must be an array of shape "
            f"({rows}, {size})"
        )
    contribution = output.contribution
    if contribution is not None and (
        not isinstance(contribution, np.ndarray) or contribution.shape != (rows, streams)
    ):
        raise PluginError(
            f"{where} gave {_shape(contribution)} as the contribution for the task "
            f"{task!r}; it must be an array of shape ({rows}, {streams}), a column per stream"
        )


def _shape(given: object) -> str:
    return f"shape {given.shape}" if isinstance(given, np.ndarray) else f"a {type(given).__name__}"


def finite_rows(array: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which rows hold neither NaN nor infinity; bool, shape (rows,)."""
    if not np.issubdtype(array.dtype, np.inexact):
        return np.ones(len(array), dtype=np.bool_)
    finite: npt.NDArray[np.bool_] = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    return finite


def rows_of(arrays: Arrays) -> int:
    """How many items the arrays hold."""
    return len(next(iter(arrays.values())))
