"""A checkpoint: the weights of all plugins of a pipeline in one safetensors file, with its card."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from sensorium.errors import ConfigError
from sensorium.plugin import Weights

__all__ = ["Checkpoint", "read_checkpoint", "write_checkpoint"]

_CARD: Final = "card"
_STREAMS: Final = "streams."
_FUSION: Final = "fusion."


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What `fit` has learned.

    Parameters
    ----------
    weights
        Arrays by name; a name begins with ``streams.<name>.`` or ``fusion.``.
    card
        The model card: plain data that says what the weights are for and how they came about.
    digest
        The SHA-256 of the file, in hexadecimal; the identity of the model in its predictions.
    """

    weights: Mapping[str, npt.NDArray[Any]] = field(repr=False)
    card: Mapping[str, Any] = field(repr=False)
    digest: str

    def part(self, prefix: str) -> Weights:
        """The weights whose names begin with a prefix, without it.

        Empty if there are none, which is not the None of a start from scratch.
        """
        start = len(prefix)
        return {name[start:]: w for name, w in self.weights.items() if name.startswith(prefix)}

    def streams(self) -> frozenset[str]:
        """The names of the streams that it has weights for."""
        return frozenset(name.split(".")[1] for name in self.weights if name.startswith(_STREAMS))

    def require(self, streams: Iterable[str]) -> None:
        """Refuse a checkpoint of other streams.

        Raises
        ------
        ConfigError
            If it has weights for a stream that is not one of these.
        """
        known = list(streams)
        foreign = sorted(self.streams() - set(known))
        if foreign:
            raise ConfigError(
                f"has weights for the stream {foreign[0]!r}, which the pipeline does not have "
                f"({', '.join(known)}): it was trained for another pipeline",
                path="checkpoint",
            )


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Parameters
    ----------
    path
        A safetensors file, as `write_checkpoint` writes it.

    Raises
    ------
    ConfigError
        If it cannot be read, is damaged, or has weights that belong to no stream and no fusion.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"cannot read {path}: {error.strerror or error}; `sensorium fit` writes it"
        raise _refused(message) from error
    try:
        weights = safetensors.numpy.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        card = json.loads(header.get("__metadata__", {}).get(_CARD, "{}"))
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise _refused(f"{path} is not a sound safetensors file: {error}") from error
    if not isinstance(card, dict):
        raise _refused(f"{path} has a model card that is not a mapping")
    for name in weights:
        _check_name(name, str(path))
    return Checkpoint(weights, card, hashlib.sha256(data).hexdigest())


def write_checkpoint(
    path: Path, weights: Mapping[str, npt.NDArray[Any]], card: Mapping[str, Any]
) -> Checkpoint:
    """Write a checkpoint; the same content gives the same bytes. A reader never sees half a file.

    Parameters
    ----------
    path
        Where to; an existing file is replaced.
    weights
        Arrays by name; a name begins with ``streams.<name>.`` or ``fusion.``.
    card
        Plain data, as JSON takes it; NaN and infinity are not.

    Returns
    -------
    Checkpoint
        What `read_checkpoint` would give.

    Raises
    ------
    ConfigError
        If a name has neither prefix, or the file cannot be written.
    """
    for name in weights:
        _check_name(name, str(path))
    arrays = {name: np.asarray(weights[name], order="C") for name in sorted(weights)}
    metadata = {_CARD: json.dumps(card, sort_keys=True, ensure_ascii=False, allow_nan=False)}
    data = safetensors.numpy.save(arrays, metadata)
    try:
        _replace(path, data)
    except OSError as error:
        raise _refused(f"cannot write {path}: {error.strerror or error}") from error
    return Checkpoint(arrays, json.loads(metadata[_CARD]), hashlib.sha256(data).hexdigest())


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _check_name(name: str, source: str) -> None:
    parts = name.split(".", 2)
    fits = len(parts) == 3 and parts[0] + "." == _STREAMS and all(parts)
    if not fits and not (name.startswith(_FUSION) and name != _FUSION):
        raise _refused(
            f"{source}: the weight {name!r} belongs to nothing; a name begins with "
            "'streams.<name>.' or 'fusion.'"
        )


def _refused(message: str) -> ConfigError:
    return ConfigError(message, path="checkpoint")
