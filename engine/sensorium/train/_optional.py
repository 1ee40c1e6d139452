"""The packages of the extras, imported when they are first needed."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Final

from sensorium.errors import MissingExtraError

__all__ = ["optional"]

_EXTRAS: Final = {
    "torch": ("torch", "torch"),
    "sklearn": ("scikit-learn", "train"),
    "matplotlib": ("matplotlib", "train"),
}


def optional(module: str, needed_by: str) -> ModuleType:
    """Import a module of an extra.

    Parameters
    ----------
    module
        Its dotted name, as ``sklearn.metrics``.
    needed_by
        What needs it, as the message names it.

    Raises
    ------
    MissingExtraError
        If its package is not installed.
    """
    root = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != root:
            raise
        package, extra = _EXTRAS[root]
        raise MissingExtraError(needed_by, package, extra) from error
