"""The model card: what a checkpoint is, from which data it came and how well it does.

Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import sensorium
from sensorium.host import Pipeline, PluginHost
from sensorium.train._dataset import Dataset
from sensorium.train._learn import Learned
from sensorium.train._scores import Scores, kind_of, labels_of
from sensorium.train._split import Split

__all__ = ["fingerprint", "model_card", "summary"]

_LIBRARIES = {
    "numpy": "numpy",
    "scikit-learn": "sklearn",
    "torch": "torch",
}


def fingerprint(group: str) -> str:
    """How a group of keys is named in a card: keys may be people, so they are not written out."""
    return hashlib.blake2b(group.encode(), digest_size=8).hexdigest()


def summary(scores: Scores) -> dict[str, Any]:
    """The metrics of one task under one condition, as plain data."""
    found: dict[str, Any] = {"sets": scores.count, **scores.metrics}
    if scores.interval is not None:
        found["accuracy_interval"] = list(scores.interval)
    if scores.reasons:
        found["reasons"] = dict(scores.reasons)
    return found


def model_card(
    pipeline: Pipeline,
    host: PluginHost,
    dataset: Dataset,
    split: Split,
    learned: Learned,
    *,
    counts: Mapping[str, int],
    settings: Mapping[str, Any],
    metrics: Mapping[str, Mapping[str, Scores]],
    notes: Sequence[str],
    licence: str | None,
    created: int,
) -> dict[str, Any]:
    """Write the card of a checkpoint.

    Parameters
    ----------
    pipeline, host
        The pipeline, and who brought its plugins.
    dataset
        The data.
    split, learned
        How it was split and what was learnt.
    counts
        Sets and keys of either split.
    settings
        How it was trained, so that it can be done again.
    metrics
        Per task and condition, the scores on the validation split.
    notes
        What a reader should know.
    licence
        Under which the weights may be used, as an SPDX identifier.
    created
        When, in ns since the epoch.

    Returns
    -------
    dict
        Plain data, as JSON takes it.
    """
    when = datetime.fromtimestamp(created // 1_000_000_000, tz=UTC)
    training: dict[str, Any] = {"method": learned.method, **settings}
    if learned.trained is not None:
        training["epochs_run"] = learned.trained.epochs
        training["best_epoch"] = learned.trained.best_epoch
    return {
        "pipeline": pipeline.name,
        "created": when.isoformat(),
        "licence": licence,
        "streams": {
            name: {**_plugin(host, "modality", part.modality), "config": _plain(part.config)}
            for name, part in pipeline.streams.items()
        },
        "fusion": {
            **_plugin(host, "fusion", pipeline.fusion),
            "config": _plain(pipeline.fusion_config),
        },
        "tasks": {
            name: {
                **_plugin(host, "task", type(part.task)),
                "kind": kind_of(part.task),
                "labels": list(labels_of(part.task)),
                "target": None if part.target is None else asdict(part.target),
            }
            for name, part in pipeline.tasks.items()
        },
        "data": [
            {"name": file.path.name, "sha256": file.digest, "bytes": file.size}
            for file in dataset.files
        ],
        "counts": dict(counts),
        "split": {
            "by": "key",
            "training_groups": sorted(fingerprint(name) for name in split.train_groups),
            "validation_groups": sorted(fingerprint(name) for name in split.validation_groups),
        },
        "training": training,
        "validation": {
            task: {condition: summary(scores) for condition, scores in found.items()}
            for task, found in metrics.items()
        },
        "notes": list(notes),
        "libraries": _versions(),
    }


def _plugin(host: PluginHost, kind: str, cls: type) -> dict[str, str]:
    found = {"plugin": str(getattr(cls, "name", cls.__name__))}
    for item in host.registered():
        if item.kind == kind and item.cls is cls:
            found |= {"distribution": item.distribution, "version": item.version}
    return found


def _plain(config: Any) -> dict[str, Any]:
    plain: dict[str, Any] = config.model_dump(mode="json")
    return plain


def _versions() -> dict[str, str]:
    """The versions of the libraries that took part: those that have been imported."""
    versions = {"python": platform.python_version(), "sensorium": sensorium.__version__}
    for distribution, module in _LIBRARIES.items():
        if module in sys.modules:
            versions[distribution] = importlib.metadata.version(distribution)
    return versions
