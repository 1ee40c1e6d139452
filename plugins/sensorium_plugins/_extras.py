"""Optional packages, imported only when a plugin that needs them is used."""

from __future__ import annotations

import importlib
from types import ModuleType

from sensorium.errors import MissingExtraError

__all__ = ["import_sklearn", "import_torch"]


def import_torch(needed_by: str) -> ModuleType:
    """Import torch for a plugin.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    """
    return _import("torch", needed_by, "torch", "torch")


def import_sklearn(module: str, needed_by: str) -> ModuleType:
    """Import a module of scikit-learn, as ``"linear_model"``, for a plugin.

    Raises
    ------
    MissingExtraError
        If scikit-learn is not installed.
    """
    return _import(f"sklearn.{module}", needed_by, "scikit-learn", "train")


def _import(module: str, needed_by: str, package: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # the package is there, and broken: its own message says more than ours
        raise MissingExtraError(needed_by, package, extra) from error
