"""Which plugin learns how: statistics first, then by gradient or by the fusion itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from sensorium.errors import ConfigError
from sensorium.events import AlignedSet
from sensorium.host import Pipeline
from sensorium.plugin import (
    Fittable,
    Fusion,
    FusionFittable,
    Modality,
    Progress,
    Task,
    Trainable,
)
from sensorium.train._dropout import replicate
from sensorium.train._features import Encoded, encode_sets
from sensorium.train._gradient import (
    Examples,
    GradientSettings,
    Trained,
    reproducible,
    train_modules,
    weights_of,
)
from sensorium.train._plugins import FUSION_PREFIX, device_for, stream_prefix, training_device
from sensorium.train._prepare import Prepared, prepare_stream

__all__ = ["Learned", "Rows", "learn"]


@dataclass(frozen=True, slots=True)
class Rows:
    """What is learnt from.

    Parameters
    ----------
    sets
        The sets of both splits.
    targets
        Per task, shape (sets, size), NaN where there is none.
    train, validation
        The numbers of the sets of either split.
    """

    sets: Sequence[AlignedSet]
    targets: Mapping[str, npt.NDArray[np.float64]]
    train: npt.NDArray[np.intp]
    validation: npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of it.

    Parameters
    ----------
    weights
        Arrays under the prefixes of a checkpoint.
    method
        ``gradient``: end to end; ``fusion``: the fusion on fixed features; ``none``: the fusion
        learns nothing.
    trained
        How the training by gradient went.
    """

    weights: Mapping[str, npt.NDArray[Any]]
    method: Literal["gradient", "fusion", "none"]
    trained: Trained | None = None


@runtime_checkable
class _Begins(Protocol):
    """A fusion that sets what follows from the targets alone, as priors and scales, beforehand."""

    def begin(self, targets: Mapping[str, npt.NDArray[Any]]) -> None: ...


def learn(
    pipeline: Pipeline,
    rows: Rows,
    settings: GradientSettings,
    device: str,
    progress: Progress,
    alternatives: Sequence[str] = (),
) -> Learned:
    """Train a pipeline's plugins.

    Parameters
    ----------
    pipeline
        The pipeline.
    rows
        What is learnt from.
    settings
        How; the modality dropout and the seed count for every method.
    device
        Where.
    progress
        Called now and then.
    alternatives
        The names of fusions that train end to end, for the message.

    Raises
    ------
    ConfigError
        If a modality trains end to end and the fusion does not, or nothing can be trained.
    """
    by_gradient = issubclass(pipeline.fusion, Trainable) and (
        not issubclass(pipeline.fusion, FusionFittable)
        or any(issubclass(part.modality, Trainable) for part in pipeline.streams.values())
    )
    # Around everything, since a module draws its first weights when it is loaded.
    with reproducible(settings.seed) if by_gradient else nullcontext():
        return _learn(pipeline, rows, settings, device, progress, alternatives)


def _learn(
    pipeline: Pipeline,
    rows: Rows,
    settings: GradientSettings,
    device: str,
    progress: Progress,
    alternatives: Sequence[str],
) -> Learned:
    modalities = pipeline.modalities()
    for name, modality in modalities.items():
        own = pipeline.streams[name].device if device == "auto" else device
        modality.load(device_for(own, modality), None)
    trainable = [name for name, modality in modalities.items() if isinstance(modality, Trainable)]
    if trainable and not issubclass(pipeline.fusion, Trainable):
        raise ConfigError(_needs_module(pipeline, trainable, alternatives), path="fusion.plugin")
    prepared, weights = _fit_modalities(modalities, trainable, rows, device, pipeline)
    fusion = pipeline.fusion_for(modalities)
    own = pipeline.fusion_device if device == "auto" else device
    if not trainable and isinstance(fusion, FusionFittable):
        fusion.load(device_for(own, fusion), None)
        encoded = encode_sets(modalities, rows.sets)
        weights |= _under(FUSION_PREFIX, _fit_fusion(fusion, encoded, rows, settings, progress))
        return Learned(weights, "fusion")
    if isinstance(fusion, Trainable):
        trained = _train(pipeline, modalities, fusion, prepared, rows, settings, own, progress)
        for name in trainable:
            modality = modalities[name]
            assert isinstance(modality, Trainable)
            weights |= _under(stream_prefix(name), weights_of(modality.module()))
        weights |= _under(FUSION_PREFIX, weights_of(fusion.module()))
        return Learned(weights, "gradient", trained)
    if not weights:
        raise ConfigError(
            f"neither the fusion {fusion.name!r} nor any modality can be trained; the pipeline "
            "runs without a checkpoint",
            path="fusion.plugin",
        )
    return Learned(weights, "none")


def _fit_modalities(
    modalities: Mapping[str, Modality],
    trainable: Sequence[str],
    rows: Rows,
    device: str,
    pipeline: Pipeline,
) -> tuple[dict[str, Prepared], dict[str, npt.NDArray[Any]]]:
    """Let modalities learn their statistics from the training split, and load what they learnt."""
    prepared: dict[str, Prepared] = {}
    weights: dict[str, npt.NDArray[Any]] = {}
    for name, modality in modalities.items():
        if name not in trainable and not isinstance(modality, Fittable):
            continue
        whole = prepare_stream(modality, rows.sets, name)
        if name in trainable:
            prepared[name] = whole
        if isinstance(modality, Fittable):
            arrays = whole.of(rows.train)
            if not arrays or not len(next(iter(arrays.values()))):
                raise ConfigError(
                    "no set of the training split has it, so its modality has nothing to learn "
                    "from: give more data, or another seed",
                    path=f"streams.{name}",
                )
            learnt = dict(modality.fit(arrays))
            own = pipeline.streams[name].device if device == "auto" else device
            modality.load(device_for(own, modality), learnt)
            weights |= _under(stream_prefix(name), learnt)
    return prepared, weights


def _fit_fusion(
    fusion: FusionFittable,
    encoded: Encoded,
    rows: Rows,
    settings: GradientSettings,
    progress: Progress,
) -> Mapping[str, npt.NDArray[Any]]:
    """Train a fusion on fixed features, the training split repeated with streams taken away."""
    rng = np.random.default_rng([settings.seed, 1])
    kept = _with_any(encoded, rows.train)
    train = encoded.take(kept)
    index, present = replicate(train.present, settings.modality_dropout, rng)
    repeated = train.take(index, present)
    return fusion.fit(
        repeated.present,
        repeated.features,
        {name: target[kept][index] for name, target in rows.targets.items()},
        seed=settings.seed,
        progress=progress,
    )


def _train(
    pipeline: Pipeline,
    modalities: Mapping[str, Modality],
    fusion: Fusion,
    prepared: Mapping[str, Prepared],
    rows: Rows,
    settings: GradientSettings,
    device: str,
    progress: Progress,
) -> Trained:
    """Train end to end, in place; features of modalities that do not train are computed once."""
    fixed = {name: it for name, it in modalities.items() if name not in prepared}
    encoded = encode_sets(fixed, rows.sets)
    present = {
        name: prepared[name].present if name in prepared else encoded.present[name]
        for name in modalities
    }
    whole = Encoded(present, {})
    place = training_device(device)
    fusion.load(place, None)
    encoders = {}
    for name in prepared:
        modality = modalities[name]
        assert isinstance(modality, Trainable)
        encoders[name] = modality.module().to(place)
    train, held = _with_any(whole, rows.train), _with_any(whole, rows.validation)
    if isinstance(fusion, _Begins):
        fusion.begin({name: target[train] for name, target in rows.targets.items()})
    assert isinstance(fusion, Trainable)
    tasks: dict[str, Task] = {name: part.task for name, part in pipeline.tasks.items()}
    return train_modules(
        encoders,
        fusion.module().to(place),
        Examples(
            present=present,
            specs={name: modality.feature for name, modality in modalities.items()},
            prepared=prepared,
            fixed=encoded.features,
            tasks=tasks,
            weights={name: part.weight for name, part in pipeline.tasks.items()},
            targets=rows.targets,
        ),
        train,
        held,
        settings,
        place,
        progress,
    )


def _with_any(encoded: Encoded, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The sets that have a stream left after encoding."""
    there = np.any(list(encoded.present.values()), axis=0)
    kept: npt.NDArray[np.intp] = rows[there[rows]]
    if not len(kept):
        raise ConfigError(
            "no set of a split could be encoded: `sensorium check PIPELINE --data FILE` tells why",
            path="streams",
        )
    return kept


def _under(prefix: str, weights: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {prefix + name: np.asarray(array) for name, array in weights.items()}


def _needs_module(pipeline: Pipeline, trainable: Sequence[str], others: Sequence[str]) -> str:
    streams = ", ".join(f"{name} ({pipeline.streams[name].modality.name})" for name in trainable)
    use = f": use one that trains with them ({', '.join(others)})" if others else ""
    return (
        f"the fusion {pipeline.fusion.name!r} trains on fixed features only, but these streams "
        f"train end to end: {streams}{use}"
    )
