"""`eval`: how well a trained pipeline does, and how well with streams missing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sensorium.errors import ConfigError
from sensorium.host import Checkpoint, Pipeline, PluginHost, read_checkpoint
from sensorium.plugin import Fittable, FusionFittable, Trainable
from sensorium.train._card import fingerprint
from sensorium.train._collect import collect
from sensorium.train._conditions import Condition, drop_conditions, single_conditions
from sensorium.train._dataset import DataFile, Dataset
from sensorium.train._examples import all_targets
from sensorium.train._features import encode_sets
from sensorium.train._plots import save_plots
from sensorium.train._plugins import FUSION_PREFIX, load_plugins, stream_prefix
from sensorium.train._predict import predict_encoded
from sensorium.train._scores import Scores, score
from sensorium.train._split import group_of

__all__ = ["EvalReport", "evaluate", "evaluate_dataset"]


@dataclass(frozen=True, slots=True)
class EvalReport:
    """How well a pipeline does.

    Parameters
    ----------
    pipeline, model
        The pipeline's name and the digest of its checkpoint (empty if it has none).
    files
        The recordings.
    sets, keys
        How many sets with a target there were, of how many keys.
    conditions
        Under which circumstances it was tested, in order.
    tasks
        Per task and condition, the scores.
    notes
        What the reader should know, as that keys were trained on.
    plots
        The pictures that were written.
    """

    pipeline: str
    model: str
    files: tuple[DataFile, ...]
    sets: int
    keys: int
    conditions: tuple[Condition, ...]
    tasks: Mapping[str, Mapping[str, Scores]]
    notes: tuple[str, ...] = ()
    plots: tuple[Path, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as JSON takes it."""
        return {
            "pipeline": self.pipeline,
            "model": self.model,
            "data": [
                {"path": str(file.path), "sha256": file.digest, "bytes": file.size}
                for file in self.files
            ],
            "sets": self.sets,
            "keys": self.keys,
            "conditions": [asdict(condition) for condition in self.conditions],
            "tasks": {
                task: {name: asdict(scores) for name, scores in found.items()}
                for task, found in self.tasks.items()
            },
            "notes": list(self.notes),
            "plots": [str(path) for path in self.plots],
        }


def evaluate(
    pipeline: Pipeline,
    host: PluginHost,
    data: Sequence[Path],
    *,
    drop: Sequence[float] = (0.0, 0.1, 0.3, 0.5),
    json_path: Path | None = None,
    plots: Path | None = None,
    held_out: bool = False,
    device: str = "auto",
    seed: int = 0,
) -> EvalReport:
    """Test a pipeline's checkpoint on recordings.

    Parameters
    ----------
    pipeline, host
        The pipeline, with its checkpoint, and the plugins.
    data
        Recordings with targets.
    drop
        The probabilities with which each stream of each set is taken away.
    json_path
        Where to write the report.
    plots
        The folder for the pictures; it is made if need be.
    held_out
        Whether to test only keys that the checkpoint's training held out.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
    seed
        What makes the drops and the bootstrap reproducible.

    Raises
    ------
    ConfigError
        If there is nothing to test or to test with.
    MissingExtraError
        If scikit-learn, or for plots matplotlib, is not installed.
    """
    report = evaluate_dataset(
        pipeline,
        collect(pipeline, host, data),
        drop=drop,
        plots=plots,
        held_out=held_out,
        device=device,
        seed=seed,
    )
    if json_path is not None:
        text = json.dumps(report.as_dict(), indent=2, allow_nan=False, ensure_ascii=False)
        json_path.write_text(text + "\n", encoding="utf-8")
    return report


def evaluate_dataset(
    pipeline: Pipeline,
    dataset: Dataset,
    *,
    checkpoint: Checkpoint | None = None,
    drop: Sequence[float] = (0.0, 0.1, 0.3, 0.5),
    plots: Path | None = None,
    held_out: bool = False,
    device: str = "auto",
    seed: int = 0,
) -> EvalReport:
    """Test a pipeline on sets that are there already; all else as for `evaluate`.

    Parameters
    ----------
    checkpoint
        Instead of the pipeline's own.
    """
    if any(not 0 <= rate < 1 for rate in drop):
        raise ConfigError(f"the drop rates {list(drop)} must be at least 0 and less than 1")
    if checkpoint is None and pipeline.checkpoint is not None:
        checkpoint = read_checkpoint(pipeline.checkpoint)
    card: Mapping[str, Any] = checkpoint.card if checkpoint is not None else {}
    if held_out:
        dataset = _held_out(dataset, card)
    targets = all_targets(pipeline, dataset)
    known = [
        row
        for row in range(len(dataset.sets))
        if any(not math.isnan(rows[row, 0]) for rows in targets.values())
    ]
    if not known:
        raise ConfigError("no set of the data has a target: there is nothing to compare with")
    dataset = dataset.take(known)
    weights = checkpoint.weights if checkpoint is not None else {}
    _require_weights(pipeline, checkpoint)
    modalities, fusion = load_plugins(pipeline, weights, device)
    encoded = encode_sets(modalities, dataset.sets)
    streams = tuple(pipeline.streams)
    conditions = [*single_conditions(streams), *drop_conditions(streams, drop)]
    found: dict[str, dict[str, Scores]] = {name: {} for name in targets}
    for condition in conditions:
        rows, left = condition.apply(encoded, seed)
        outputs = predict_encoded(fusion, left)
        keys = [dataset.keys[row] for row in rows]
        for name, all_rows in targets.items():
            task = pipeline.tasks[name].task
            found[name][condition.name] = score(
                task, outputs[name], all_rows[known][rows], keys, seed=seed
            )
    return EvalReport(
        pipeline=pipeline.name,
        model=checkpoint.digest if checkpoint is not None else "",
        files=tuple(dataset.files),
        sets=len(dataset.sets),
        keys=len(set(dataset.keys)),
        conditions=tuple(conditions),
        tasks=found,
        notes=_notes(dataset, card, held_out),
        plots=() if plots is None else save_plots(found, plots),
    )


def _require_weights(pipeline: Pipeline, checkpoint: Checkpoint | None) -> None:
    """Refuse to test what was never trained: fresh weights would give figures that mean nothing."""
    if checkpoint is not None:
        checkpoint.require(pipeline.streams)
    plugins: dict[str, type] = {
        stream_prefix(name): part.modality for name, part in pipeline.streams.items()
    }
    plugins[FUSION_PREFIX] = pipeline.fusion
    for prefix, cls in plugins.items():
        learns = issubclass(cls, Trainable | Fittable | FusionFittable)
        if learns and (checkpoint is None or not checkpoint.part(prefix)):
            lack = (
                "there is no checkpoint" if checkpoint is None else f"it has no weights {prefix}*"
            )
            raise ConfigError(
                f"{getattr(cls, 'name', cls.__name__)} has to be trained, and {lack}: run "
                "`sensorium fit PIPELINE --data FILE -o CHECKPOINT` and name it as `checkpoint`",
                path="checkpoint",
            )


def _groups(dataset: Dataset, card: Mapping[str, Any]) -> dict[str, str]:
    """Per key, the fingerprint of its group as training grouped it."""
    group = card.get("training", {}).get("group")
    found = {}
    for key in set(dataset.keys):
        try:
            found[key] = fingerprint(group_of(key, group))
        except ConfigError:
            # A key that training's grouping does not know was not trained on.
            found[key] = ""
    return found


def _held_out(dataset: Dataset, card: Mapping[str, Any]) -> Dataset:
    held = set(card.get("split", {}).get("validation_groups", ()))
    groups = _groups(dataset, card)
    rows = [row for row, key in enumerate(dataset.keys) if groups[key] in held]
    if not rows:
        raise ConfigError(
            "no key of the data was held out when the checkpoint was trained: leave out "
            "`--held-out` for other data"
        )
    return dataset.take(rows)


def _notes(dataset: Dataset, card: Mapping[str, Any], held_out: bool) -> tuple[str, ...]:
    split = card.get("split", {})
    groups = _groups(dataset, card)
    notes = []
    trained = set(split.get("training_groups", ()))
    seen = sum(group in trained for group in groups.values())
    if seen:
        notes.append(
            f"{seen} of {len(groups)} keys were trained on: the figures flatter the model; "
            "`--held-out` tests only the others"
        )
    elif held_out and card.get("training", {}).get("selected_on_validation"):
        notes.append("the held-out keys also decided when the training stopped")
    return tuple(notes)
