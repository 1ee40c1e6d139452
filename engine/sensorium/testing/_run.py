"""A modality from payloads to features, as it runs in production: arrays only between processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from sensorium.errors import PluginError
from sensorium.plugin import Arrays, Features, Modality, Payload, Samples, Weights
from sensorium.stages import EncodedRows, Failure, StreamEncoder, join_features

__all__ = ["decoded", "run"]


def run(
    plugin: type[Modality] | Modality,
    payloads: Sequence[Payload | Any],
    config: Mapping[str, Any] | None = None,
    *,
    weights: Weights | None = None,
    pad: bool = False,
) -> Features:
    """Decode and prepare here, encode in a fresh process that gets nothing but the arrays.

    Parameters
    ----------
    plugin
        The class, which must be importable by its name, or an instance.
    payloads
        One item each; what is not a `Payload` is put into one.
    config
        The configuration of a class.
    weights
        What the encoding process loads.
    pad
        As ``batch: {pad: true}``.

    Returns
    -------
    Features
        One row per payload.

    Raises
    ------
    PayloadError
        If a payload cannot be decoded.
    PluginError
        If an item fails later; it says which and why.
    """
    if isinstance(plugin, Modality):
        modality = plugin
    else:
        modality = plugin(plugin.Config.model_validate(dict(config or {})))
    prepared = StreamEncoder(modality).prepare(decoded(modality, payloads))
    _refuse(prepared.failures)
    spawn = multiprocessing.get_context("spawn")
    parts: list[Features] = []
    with ProcessPoolExecutor(1, mp_context=spawn) as process:
        for _, arrays in prepared.parts:
            # The configuration goes as JSON, as it does to a replica.
            settings = modality.config.model_dump_json()
            job = process.submit(_encode, type(modality), settings, weights, dict(arrays), pad)
            encoded = job.result()
            _refuse(encoded.failures)
            parts.append(encoded.features)
    return join_features(parts, modality.feature)


def decoded(modality: Modality, payloads: Sequence[Payload | Any]) -> list[Samples]:
    """One item of one event per payload, each at its own second."""
    items = []
    for number, payload in enumerate(payloads):
        value = modality.decode(payload if isinstance(payload, Payload) else Payload(payload))
        start = number * 1_000_000_000
        duration = modality.duration(value)
        times = np.array([start], np.int64)
        durations = np.array([duration], np.int64)
        items.append(Samples(times, durations, [value], start, start + max(duration, 1)))
    return items


def _encode(
    plugin: type[Modality], settings: str, weights: Weights | None, arrays: Arrays, pad: bool
) -> EncodedRows:
    modality = plugin(plugin.Config.model_validate_json(settings))
    modality.load("cpu", weights)
    return StreamEncoder(modality, pad=pad).encode(arrays)


def _refuse(failures: Sequence[Failure]) -> None:
    if failures:
        told = "; ".join(f"item {failure.row}: {failure.message}" for failure in failures[:3])
        raise PluginError(f"{len(failures)} items failed: {told}")
