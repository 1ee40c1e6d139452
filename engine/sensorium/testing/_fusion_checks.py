"""The conformance checks of a fusion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.errors import PluginError
from sensorium.plugin import (
    API_VERSION,
    Features,
    FeatureSpec,
    Fusion,
    Task,
    TaskOutput,
    Trainable,
    Weights,
)
from sensorium.stages import check_output, take_features
from sensorium.testing._modality_checks import round_trip
from sensorium.testing._subject import FusionSubject, arrays_of, check_config

__all__ = ["FUSION_CHECKS", "check_fusion"]

Present = Mapping[str, npt.NDArray[np.bool_]]


def declares_itself(subject: FusionSubject) -> None:
    """It has a name and the right API version."""
    plugin = subject.plugin
    if not getattr(plugin, "name", "") or plugin.api != API_VERSION:
        subject.refuse(f"name must be set and api be {API_VERSION}, not {plugin.api}")


def answers_every_pattern(subject: FusionSubject) -> None:
    """Whichever streams are absent, the outputs have the declared shape and are finite.

    Scores are probabilities; an absent stream contributes 0, and the shares of those that are
    there add up to 1.
    """
    present, features = subject.batch()
    outputs = subject.make().fuse(present, **features)
    there = np.stack(list(present.values()), axis=1)
    for name, task in subject.tasks.items():
        try:
            check_output(
                outputs.get(name), len(there), task.size, there.shape[1], subject.plugin.name, name
            )
        except PluginError as error:
            subject.refuse(str(error))
        output = outputs[name]
        for array in arrays_of(output):
            for row in np.flatnonzero(~np.isfinite(array).all(axis=1)):
                subject.refuse(f"NaN or infinity in {name!r} with only {_names(subject, int(row))}")
        scores = output.scores
        if scores is not None and ((scores < 0) | (scores > 1 + 1e-6)).any():
            subject.refuse(f"the scores of {name!r} are not probabilities")
        if output.contribution is not None:
            _check_shares(subject, name, output.contribution, there)


def _check_shares(
    subject: FusionSubject,
    task: str,
    shares: npt.NDArray[Any],
    there: npt.NDArray[np.bool_],
) -> None:
    if (np.abs(shares[~there]) > 1e-6).any():
        subject.refuse(f"in {task!r} an absent stream contributes")
    if (np.abs(shares[there.any(axis=1)].sum(axis=1) - 1) > 1e-4).any():
        subject.refuse(f"the contributions of {task!r} do not add up to 1")


def batch_equals_single(subject: FusionSubject) -> None:
    """A set's outputs do not depend on the sets beside it, to 1e-5."""
    fusion = subject.make()
    present, features = subject.batch()
    together = fusion.fuse(present, **features)
    for row in range(2 ** len(present)):
        alone = _fuse(fusion, present, features, [row])
        if not _close(together, alone, [row]):
            subject.refuse(f"row {row} has other outputs in a batch than alone")


def order_does_not_matter(subject: FusionSubject) -> None:
    """Sets in another order give the same outputs in that order, to 1e-5."""
    fusion = subject.make()
    present, features = subject.batch()
    order = list(range(2 ** len(present)))[::-1]
    if not _close(fusion.fuse(present, **features), _fuse(fusion, present, features, order), order):
        subject.refuse("it gives other outputs when the batch is in another order")


def is_deterministic(subject: FusionSubject) -> None:
    """The same batch gives the same bits again, whatever was fused in between."""
    fusion = subject.make()
    present, features = subject.batch()
    first = fusion.fuse(present, **features)
    _fuse(fusion, present, features, [1, 0])
    again = fusion.fuse(present, **features)
    for name in subject.tasks:
        pairs = zip(arrays_of(first[name]), arrays_of(again[name]), strict=True)
        if not all(np.array_equal(one, other) for one, other in pairs):
            subject.refuse("the same batch gave other outputs the second time: it keeps state")


def leaves_inputs_alone(subject: FusionSubject) -> None:
    """`fuse` works on read-only arrays and does not write into others."""
    fusion = subject.make()
    present, features = subject.batch()
    fusion.fuse(present, **features)
    before, untouched = subject.batch()
    for name in present:
        if not (
            np.array_equal(present[name], before[name])
            and np.array_equal(features[name].data, untouched[name].data)
        ):
            subject.refuse(f"fuse changes what it is given of the stream {name!r}")
        present[name].setflags(write=False)
        features[name].data.setflags(write=False)
    try:
        fusion.fuse(present, **features)
    except ValueError as error:
        subject.refuse(f"it cannot work on read-only arrays: {error}")


def weights_survive_a_file(subject: FusionSubject) -> None:
    """What was trained is loaded again from safetensors and gives the same outputs."""
    fusion = subject.make()
    weights = subject.weights
    if weights is None and isinstance(fusion, Trainable):
        state = fusion.module().state_dict()
        weights = {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}
    if weights is None:
        return
    again = replace(subject, weights=round_trip(weights)).make()
    present, features = subject.batch()
    rows = list(range(2 ** len(present)))
    if not _close(fusion.fuse(present, **features), again.fuse(present, **features), rows):
        subject.refuse("after saving and loading its weights it gives other outputs")


#: All checks of a fusion, by name.
FUSION_CHECKS: Final[Mapping[str, Callable[[FusionSubject], None]]] = {
    check.__name__: check
    for check in (
        declares_itself,
        check_config,
        answers_every_pattern,
        batch_equals_single,
        order_does_not_matter,
        is_deterministic,
        leaves_inputs_alone,
        weights_survive_a_file,
    )
}


def check_fusion(
    plugin: type[Any],
    config: Mapping[str, Any],
    features: Mapping[str, FeatureSpec],
    tasks: Mapping[str, Task],
    *,
    weights: Weights | None = None,
) -> None:
    """Run every check of a fusion.

    Parameters
    ----------
    plugin, config, weights
        The class, its configuration as in a pipeline file, and what it loads.
    features
        Per stream, what it is to fuse; every pattern of absence is tried, so give few.
    tasks
        What it is to predict.

    Raises
    ------
    NonconformanceError
        Saying what the plugin does that its base class does not allow.
    """
    subject = FusionSubject(plugin, config, features, tasks, weights)
    for check in FUSION_CHECKS.values():
        check(subject)


def _fuse(
    fusion: Fusion, present: Present, features: Mapping[str, Features], rows: list[int]
) -> Mapping[str, TaskOutput]:
    taken = {name: take_features(it, rows) for name, it in features.items()}
    return fusion.fuse({name: there[rows] for name, there in present.items()}, **taken)


def _close(
    whole: Mapping[str, TaskOutput], part: Mapping[str, TaskOutput], rows: list[int]
) -> bool:
    return all(
        np.allclose(one[rows], other, rtol=1e-5, atol=1e-5)
        for name in whole
        for one, other in zip(arrays_of(whole[name]), arrays_of(part[name]), strict=True)
    )


def _names(subject: FusionSubject, row: int) -> str:
    names = [name for bit, name in enumerate(subject.features) if row >> bit & 1]
    return ", ".join(names) or "nothing"
