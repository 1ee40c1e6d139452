"""The conformance checks of a modality."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from sensorium.errors import PayloadError
from sensorium.plugin import (
    API_VERSION,
    Features,
    Fittable,
    Payload,
    Samples,
    Trainable,
    Weights,
)
from sensorium.testing._subject import ModalitySubject, check_config

__all__ = ["MODALITY_CHECKS", "check_modality"]

#: Payloads that no modality may answer with anything but a value or a `PayloadError`.
HOSTILE: Final[tuple[Any, ...]] = (
    None,
    b"",
    b"\xff\xfe\x00",
    "",
    "not what you think",
    "\ud800",
    True,
    -1,
    math.nan,
    math.inf,
    10**400,
    [],
    [[]],
    [[1, 2], [3]],
    [None, {}],
    {},
    {"data": object},
    np.empty((0,), np.float32),
    np.full((2, 2), np.nan, np.float32),
    np.zeros((1, 1, 1, 1, 1), np.uint8),
    np.array(["a", "b"]),
)


def declares_itself(subject: ModalitySubject) -> None:
    """It has a name, the right API version, and a feature that can be known before `load`."""
    plugin = subject.plugin
    if not getattr(plugin, "name", "") or plugin.api != API_VERSION:
        subject.refuse(f"name must be set and api be {API_VERSION}, not {plugin.api}")
    spec = plugin(plugin.Config.model_validate(dict(subject.config))).feature
    if spec.dim < 1 or spec.kind not in ("vector", "sequence"):
        subject.refuse(f"feature is {spec}")


def refuses_bad_payloads(subject: ModalitySubject) -> None:
    """`decode` answers any payload with a value or a `PayloadError`."""
    modality = subject.make()
    for payload in HOSTILE:
        try:
            modality.decode(Payload(payload))
        except PayloadError:
            continue
        except Exception as error:
            subject.refuse(
                f"decode raised {type(error).__name__} for the payload {payload!r:.60}; "
                "raise PayloadError"
            )


def gives_what_it_declares(subject: ModalitySubject) -> None:
    """Rows, dims, dtype and mask are as `feature` says; nothing is NaN or infinite."""
    subject.checked(subject.make())


def batch_equals_single(subject: ModalitySubject) -> None:
    """An item's features do not depend on the items beside it, to 1e-5."""
    modality = subject.make()
    items = subject.items(modality)
    together = subject.features(modality, items)
    for row, item in enumerate(items):
        alone = subject.features(modality, [item])
        if not _close(_row(together, row), _row(alone, 0)):
            subject.refuse(f"item {row} has other features in a batch than alone")


def order_does_not_matter(subject: ModalitySubject) -> None:
    """Items in another order give the same features in that order, to 1e-5."""
    modality = subject.make()
    items = subject.items(modality)
    forward = subject.features(modality, items)
    backward = subject.features(modality, items[::-1])
    for row in range(len(items)):
        if not _close(_row(forward, row), _row(backward, len(items) - 1 - row)):
            subject.refuse(f"item {row} has other features when the batch is in another order")


def is_deterministic(subject: ModalitySubject) -> None:
    """The same batch gives the same bits again, whatever was encoded in between."""
    modality = subject.make()
    items = subject.items(modality)
    first = subject.features(modality, items)
    subject.features(modality, items[::-1])
    again = subject.features(modality, items)
    if not np.array_equal(first.data, again.data):
        subject.refuse("the same batch gave other features the second time: it keeps state")


def leaves_inputs_alone(subject: ModalitySubject) -> None:
    """`prepare` and `encode` do not write into what they are given."""
    modality = subject.make()
    items = subject.items(modality)
    before = copy.deepcopy([item.values for item in items])
    arrays = modality.prepare(items)
    if not _same(before, [item.values for item in items]):
        subject.refuse("prepare changes the values that it is given")
    kept = {name: array.copy() for name, array in arrays.items()}
    modality.encode(arrays)
    if not all(_same(kept[name], arrays[name]) for name in kept):
        subject.refuse("encode changes the arrays that it is given")


def takes_read_only_arrays(subject: ModalitySubject) -> None:
    """Values and arrays may be read-only, as they are when they come from another process."""
    modality = subject.make()
    items = [_frozen(item) for item in subject.items(modality)]
    try:
        arrays = {name: _read_only(array) for name, array in modality.prepare(items).items()}
        modality.encode(arrays)
    except ValueError as error:
        subject.refuse(f"it cannot work on read-only arrays: {error}")


def weights_survive_a_file(subject: ModalitySubject) -> None:
    """What was trained is loaded again from safetensors and gives the same features."""
    modality = subject.make()
    items = subject.items(modality)
    weights: Weights
    if isinstance(modality, Trainable):
        state = modality.module().state_dict()
        weights = {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}
    elif isinstance(modality, Fittable):
        weights = modality.fit(modality.prepare(items))
        modality.load("cpu", weights)
    else:
        return
    again = replace(subject, weights=round_trip(weights)).make()
    if not _close(subject.features(modality, items), subject.features(again, items)):
        subject.refuse("after saving and loading its weights it gives other features")


#: All checks of a modality, by name.
MODALITY_CHECKS: Final[Mapping[str, Callable[[ModalitySubject], None]]] = {
    check.__name__: check
    for check in (
        declares_itself,
        check_config,
        refuses_bad_payloads,
        gives_what_it_declares,
        batch_equals_single,
        order_does_not_matter,
        is_deterministic,
        leaves_inputs_alone,
        takes_read_only_arrays,
        weights_survive_a_file,
    )
}


def check_modality(
    plugin: type[Any],
    config: Mapping[str, Any],
    payloads: Sequence[Payload | Any],
    *,
    weights: Weights | None = None,
) -> None:
    """Run every check of a modality.

    Parameters
    ----------
    plugin, config, weights
        The class, its configuration as in a pipeline file, and what it loads.
    payloads
        At least two different ones that it can decode.

    Raises
    ------
    NonconformanceError
        Saying what the plugin does that its base class does not allow.
    """
    if len(payloads) < 2:
        raise ValueError("give at least two payloads: one cannot tell a batch from a single item")
    subject = ModalitySubject(plugin, config, payloads, weights)
    for check in MODALITY_CHECKS.values():
        check(subject)


def round_trip(weights: Weights) -> Weights:
    """Weights as they come out of a safetensors file."""
    # Not ascontiguousarray, which gives a number an axis.
    loaded: Weights = load(save({name: np.array(it, order="C") for name, it in weights.items()}))
    return loaded


def _row(features: Features, row: int) -> Features:
    """One row, of a sequence only the steps that are there."""
    data = features.data[row]
    return Features(data if features.mask is None else data[features.mask[row]])


def _close(one: Features, other: Features) -> bool:
    return one.data.shape == other.data.shape and np.allclose(
        one.data, other.data, rtol=1e-5, atol=1e-5
    )


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(
            one, other, equal_nan=np.issubdtype(one.dtype, np.inexact)
        )
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _frozen(item: Samples) -> Samples:
    values = [_read_only(it) if isinstance(it, np.ndarray) else it for it in item.values]
    return replace(
        item, times=_read_only(item.times), durations=_read_only(item.durations), values=values
    )


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    copied = array.copy()
    copied.setflags(write=False)
    return copied
