"""`fit`: from recordings to a checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.errors import ConfigError
from sensorium.host import Checkpoint, Pipeline, PluginHost, write_checkpoint
from sensorium.plugin import Trainable
from sensorium.train._card import model_card
from sensorium.train._collect import collect
from sensorium.train._conditions import subset_conditions
from sensorium.train._dataset import Dataset
from sensorium.train._examples import Labelled, labelled, split_rows
from sensorium.train._features import encode_sets
from sensorium.train._gradient import GradientSettings
from sensorium.train._learn import Learned, Rows, learn
from sensorium.train._plugins import load_plugins
from sensorium.train._predict import predict_encoded
from sensorium.train._progress import progress_bar
from sensorium.train._scores import Scores, kind_of, labels_of, score
from sensorium.train._split import Group, Split

__all__ = ["FitReport", "fit", "fit_dataset"]


@dataclass(frozen=True, slots=True)
class FitReport:
    """What `fit` did.

    Parameters
    ----------
    path
        Where the checkpoint is.
    checkpoint
        The checkpoint, with its card.
    split
        The keys of either side.
    counts
        Sets and keys of either side, and what was left out.
    metrics
        Per task and subset of streams, the scores on the held-out keys.
    notes
        What the user should know, as labels without an example.
    """

    path: Path
    checkpoint: Checkpoint
    split: Split
    counts: Mapping[str, int]
    metrics: Mapping[str, Mapping[str, Scores]]
    notes: tuple[str, ...]


def fit(
    pipeline: Pipeline,
    host: PluginHost,
    data: Sequence[Path],
    output: Path,
    *,
    seed: int = 0,
    epochs: int = 60,
    learning_rate: float = 1e-3,
    modality_dropout: float = 0.3,
    validation: float = 0.2,
    group: Group = None,
    device: str = "auto",
    licence: str | None = None,
    progress: bool = True,
    clock: Callable[[], int] = time.time_ns,
) -> FitReport:
    """Train a pipeline on recordings and write its checkpoint.

    The recordings run through the ingest and align of `run`, so the model is trained on the sets
    that it will be served.

    Parameters
    ----------
    pipeline, host
        The pipeline and the plugins.
    data
        Recordings.
    output
        Where to write the checkpoint, a safetensors file.
    seed
        The same data, seed and machine give the same weights.
    epochs
        The most passes of training by gradient; it stops early where the held-out keys say so.
    learning_rate
        Of training by gradient.
    modality_dropout
        The probability with which training takes a stream from a set, in [0, 1).
    validation
        The share of the keys that is held out.
    group
        What keeps keys on one side: a regular expression whose first group names the group.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
    licence
        For the model card, as an SPDX identifier.
    progress
        Whether to show a bar on standard error, where that is a terminal.
    clock
        Gives the date of the card, in ns since the epoch.

    Raises
    ------
    ConfigError
        If a setting is wrong, a task has no targets, or the keys cannot be split.
    MissingExtraError
        If torch or scikit-learn is needed and not installed.
    RunError
        If the training diverges.
    """
    return fit_dataset(
        pipeline,
        host,
        collect(pipeline, host, data),
        output,
        seed=seed,
        epochs=epochs,
        learning_rate=learning_rate,
        modality_dropout=modality_dropout,
        validation=validation,
        group=group,
        device=device,
        licence=licence,
        progress=progress,
        clock=clock,
    )


def fit_dataset(
    pipeline: Pipeline,
    host: PluginHost,
    dataset: Dataset,
    output: Path,
    *,
    seed: int = 0,
    epochs: int = 60,
    learning_rate: float = 1e-3,
    modality_dropout: float = 0.3,
    validation: float = 0.2,
    group: Group = None,
    device: str = "auto",
    licence: str | None = None,
    progress: bool = True,
    clock: Callable[[], int] = time.time_ns,
) -> FitReport:
    """Train a pipeline on sets that are there already; all else as for `fit`."""
    if not 0 <= modality_dropout < 1:
        raise ConfigError(f"the modality dropout is {modality_dropout:g}; it must lie in [0, 1)")
    if epochs < 1:
        raise ConfigError(f"the number of epochs is {epochs}; it must be at least 1")
    if not learning_rate > 0:
        raise ConfigError(f"the learning rate is {learning_rate:g}; it must be greater than 0")
    settings = GradientSettings(
        epochs=epochs, learning_rate=learning_rate, modality_dropout=modality_dropout, seed=seed
    )
    examples = labelled(pipeline, dataset)
    split, train, held = split_rows(pipeline, examples, validation, seed, group)
    rows = Rows(examples.dataset.sets, examples.targets, train, held)
    alternatives = [name for name, cls in host.fusions.items() if issubclass(cls, Trainable)]
    with progress_bar(f"fitting {pipeline.name}", shown=progress) as update:
        learned = learn(pipeline, rows, settings, device, update, alternatives)
    metrics = _validate(pipeline, examples, learned, rows, device, seed)
    notes = _notes(pipeline, rows)
    counts = {
        "sets": len(dataset.sets),
        "sets_without_target": examples.left_out,
        "training_sets": len(train),
        "validation_sets": len(held),
        "training_keys": len(split.train),
        "validation_keys": len(split.validation),
        "dead_letters": dataset.dead_letters,
    }
    card = model_card(
        pipeline,
        host,
        dataset,
        split,
        learned,
        counts=counts,
        settings=_as_card(settings, learned, validation, group),
        metrics=metrics,
        notes=notes,
        licence=licence,
        created=clock(),
    )
    checkpoint = write_checkpoint(output, learned.weights, card)
    return FitReport(output, checkpoint, split, counts, metrics, notes)


def _validate(
    pipeline: Pipeline, examples: Labelled, learned: Learned, rows: Rows, device: str, seed: int
) -> dict[str, dict[str, Scores]]:
    """Test on the held-out keys what a server will load: fresh plugins with the weights."""
    modalities, fusion = load_plugins(pipeline, learned.weights, device)
    held = examples.dataset.take(int(row) for row in rows.validation)
    encoded = encode_sets(modalities, held.sets)
    found: dict[str, dict[str, Scores]] = {name: {} for name in pipeline.tasks}
    for condition in subset_conditions(tuple(pipeline.streams)):
        left, shown = condition.apply(encoded, seed)
        outputs = predict_encoded(fusion, shown)
        keys = [held.keys[row] for row in left]
        for name, part in pipeline.tasks.items():
            target = rows.targets[name][rows.validation][left]
            found[name][condition.name] = score(part.task, outputs[name], target, keys, seed=seed)
    return found


def _notes(pipeline: Pipeline, rows: Rows) -> tuple[str, ...]:
    notes = []
    for name, part in pipeline.tasks.items():
        if kind_of(part.task) == "regression":
            continue
        for side, chosen in (("training", rows.train), ("validation", rows.validation)):
            seen = np.nansum(rows.targets[name][chosen], axis=0) > 0
            missing = [
                label for label, there in zip(labels_of(part.task), seen, strict=True) if not there
            ]
            if missing:
                notes.append(f"{name}: the {side} keys have no {', '.join(missing)}")
    return tuple(notes)


def _as_card(
    settings: GradientSettings, learned: Learned, validation: float, group: Group
) -> dict[str, Any]:
    """The settings that played a part."""
    used: dict[str, Any] = asdict(settings)
    if learned.method != "gradient":
        used = {name: used[name] for name in ("seed", "modality_dropout")}
    return {
        **used,
        "validation_fraction": validation,
        "group": group if isinstance(group, str | None) else "a function",
        "selected_on_validation": learned.method == "gradient",
    }
