"""Optional packages, imported only when a plugin that needs them is used."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy.typing as npt

from sensorium.errors import MissingExtraError, PluginError

__all__ = [
    "import_audio",
    "import_onnxruntime",
    "import_pillow",
    "import_sklearn",
    "import_tokenizers",
    "import_torch",
    "import_video",
    "to_array",
    "to_device",
]


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


def import_pillow(needed_by: str) -> ModuleType:
    """Import Pillow's ``PIL.Image`` for a plugin.

    Raises
    ------
    MissingExtraError
        If Pillow is not installed.
    """
    return _import("PIL.Image", needed_by, "Pillow", "image")


def import_audio(module: str, needed_by: str) -> ModuleType:
    """Import ``librosa``, ``soundfile`` or ``soxr`` for a plugin.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return _import(module, needed_by, module, "audio")


def import_onnxruntime(needed_by: str) -> ModuleType:
    """Import onnxruntime for a plugin.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return _import("onnxruntime", needed_by, "onnxruntime", "sentence")


def import_tokenizers(needed_by: str) -> ModuleType:
    """Import tokenizers for a plugin.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return _import("tokenizers", needed_by, "tokenizers", "sentence")


def import_video(needed_by: str) -> ModuleType:
    """Import PyAV, as ``av``, for a plugin.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return _import("av", needed_by, "av", "video")


def to_device(module: Any, device: str, needed_by: str) -> Any:
    """Move a torch module to a device.

    Raises
    ------
    PluginError
        If this torch on this machine has no such device.
    """
    try:
        return module.to(device)
    except (RuntimeError, AssertionError) as error:  # torch raises either, by the build
        reason = str(error).partition("\n")[0]
        raise PluginError(
            f"{needed_by} cannot use the device {device!r}: {reason}; set `device: auto` or "
            f"`device: cpu`"
        ) from error


def to_array(tensor: Any) -> npt.NDArray[Any]:
    """A tensor as an array; numbers of 16 bits, which autocast may give, as float32."""
    if tensor.is_floating_point() and tensor.element_size() < 4:
        tensor = tensor.float()
    array: npt.NDArray[Any] = tensor.cpu().numpy()
    return array


def _import(module: str, needed_by: str, package: str, extra: str) -> ModuleType:
    root = module.partition(".")[0]
    try:
        importlib.import_module(root)
    except ModuleNotFoundError as error:
        if error.name != root:
            raise  # the package is there, and broken: its own message says more than ours
        raise MissingExtraError(needed_by, package, extra) from error
    return importlib.import_module(module)
