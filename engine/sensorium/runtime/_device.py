"""Which device a model runs on."""

from __future__ import annotations

import importlib.util

__all__ = ["resolve_device"]


def resolve_device(wanted: str, plugin: type) -> str:
    """The device of a plugin's model.

    Parameters
    ----------
    wanted
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
    plugin
        The class; only one whose ``requires`` holds ``"torch"`` can run elsewhere than on the
        CPU, and torch is imported for such a one only.
    """
    if wanted != "auto":
        return wanted
    if "torch" not in getattr(plugin, "requires", ()) or importlib.util.find_spec("torch") is None:
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
