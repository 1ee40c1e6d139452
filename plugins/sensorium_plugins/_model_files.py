"""Files of pretrained models: from a folder, or from an installed package. Nothing is fetched."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from sensorium.errors import PluginError

__all__ = ["check_digest", "model_file"]


def model_file(where: str, needed_by: str) -> Path:
    """Find a file.

    Parameters
    ----------
    where
        A path, relative to the working directory; or ``PACKAGE:PATH`` for a file of an installed
        package, which is found and not imported.
    needed_by
        The plugin, for messages.

    Raises
    ------
    PluginError
        If there is no such file.
    """
    package, colon, inside = where.partition(":")
    if not colon or not package.isidentifier():
        path = Path(where)
        if not path.is_file():
            raise PluginError(f"{needed_by}: there is no file {path.absolute()}; correct the path")
        return path
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    if not folders:
        raise PluginError(
            f"{needed_by}: {where} is in the package {package}, which is not installed; install "
            "it, or name a file of your own"
        )
    path = Path(folders[0]) / inside
    if not path.is_file():
        raise PluginError(f"{needed_by}: the installed package {package} has no file {inside}")
    return path


def check_digest(path: Path, wanted: str, needed_by: str) -> None:
    """Refuse a file whose SHA-256 is not the one that is `wanted`.

    Raises
    ------
    PluginError
        Naming both.
    """
    with path.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != wanted.lower():
        raise PluginError(
            f"{needed_by}: {path} has the SHA-256 {found}, and the pipeline wants "
            f"{wanted.lower()}: it is another model than the one that the fusion was trained with"
        )
