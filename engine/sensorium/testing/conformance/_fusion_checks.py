"""The conformance checks of a fusion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.errors import PluginError
from sensorium.plugin import Features
from sensorium.stages import check_output
from sensorium.testing.conformance._compare import round_trip
from sensorium.testing.conformance._config_checks import declared, strict
from sensorium.testing.conformance._fusion_subject import (
    FusionSubject,
    Outputs,
    arrays_of,
    cut,
    fuse,
)
from sensorium.testing.conformance._modality_subject import weights_of
from sensorium.testing.conformance._replica import fusion_order, part, spread_outputs
from sensorium.testing.conformance._replicas import in_replicas
from sensorium.testing.conformance._report import InapplicableError
from sensorium.testing.conformance._trials import KEPT_BYTES, at_once, kept_per_call, seeded

__all__ = ["FUSION_CHECKS"]

#: How many items or sets are in a call when what it keeps is looked at.
_MANY: Final = 16


def declares_itself(subject: FusionSubject) -> None:
    """It has a name and the right API version."""
    declared(subject, subject.plugin)


def config_is_strict(subject: FusionSubject) -> None:
    """Its configuration refuses unknown keys, is frozen, and survives JSON."""
    strict(subject, subject.plugin.Config, subject.config)


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


def ignores_what_is_absent(subject: FusionSubject) -> None:
    """What stands in the rows of an absent stream, or in masked steps, changes nothing."""
    fusion = subject.make()
    present, features = subject.batch()
    noisy = {}
    for name, it in features.items():
        gone = ~present[name] if it.mask is None else ~it.mask
        data = it.data.copy()
        data[gone] = 7
        noisy[name] = Features(data, it.mask)
    expected, given = fusion.fuse(present, **features), fusion.fuse(present, **noisy)
    if not _close(expected, given, subject.patterns):
        subject.refuse("the outputs depend on the rows of a stream that is absent")


def batch_equals_single(subject: FusionSubject) -> None:
    """A set's outputs do not depend on the sets beside it, to 1e-5."""
    fusion = subject.make()
    present, features = subject.batch()
    together = fusion.fuse(present, **features)
    for row in subject.patterns:
        alone = fuse(fusion, present, features, [row])
        if not _close(together, alone, [row]):
            subject.refuse(f"row {row} has other outputs in a batch than alone")


def order_does_not_matter(subject: FusionSubject) -> None:
    """Sets in another order give the same outputs in that order, to 1e-5."""
    fusion = subject.make()
    present, features = subject.batch()
    order = subject.patterns[::-1]
    if not _close(fusion.fuse(present, **features), fuse(fusion, present, features, order), order):
        subject.refuse("it gives other outputs when the batch is in another order")


def is_deterministic(subject: FusionSubject) -> None:
    """The same batch gives the same bits again, whatever the seeds of random numbers."""
    fusion = subject.make()
    present, features = subject.batch()
    with seeded(1):
        first = fusion.fuse(present, **features)
    with seeded(2):
        again = fusion.fuse(present, **features)
    if not _equal(first, again):
        subject.refuse("the same batch gave other outputs the second time: it draws at random")


def keeps_no_state(subject: FusionSubject) -> None:
    """The same batch gives the same bits again, whatever was fused in between."""
    fusion = subject.make()
    present, features = subject.batch()
    first = fusion.fuse(present, **features)
    fuse(fusion, present, features, [1, 0])
    again = fusion.fuse(present, **features)
    if not _equal(first, again):
        subject.refuse("the same batch gave other outputs after others: it keeps state")


def leaves_inputs_alone(subject: FusionSubject) -> None:
    """`fuse` does not write into what it is given."""
    present, features = subject.batch()
    subject.make().fuse(present, **features)
    before, untouched = subject.batch()
    for name in present:
        if not (
            np.array_equal(present[name], before[name])
            and np.array_equal(features[name].data, untouched[name].data)
        ):
            subject.refuse(f"fuse changes what it is given of the stream {name!r}")


def takes_read_only_arrays(subject: FusionSubject) -> None:
    """Features may be read-only, as they are when they come from another process."""
    present, features = subject.batch()
    for name, it in features.items():
        present[name].setflags(write=False)
        it.data.setflags(write=False)
    try:
        subject.make().fuse(present, **features)
    except ValueError as error:
        subject.refuse(f"it cannot work on read-only arrays: {error}")


def weights_survive_a_file(subject: FusionSubject) -> None:
    """What was trained is loaded again from safetensors and gives the same outputs."""
    fusion = subject.make()
    weights = subject.weights or weights_of(fusion)
    if weights is None:
        raise InapplicableError("it has no weights; give some as `weights` if it takes any")
    again = replace(subject, weights=round_trip(weights)).make()
    present, features = subject.batch()
    one, other = fusion.fuse(present, **features), again.fuse(present, **features)
    if not _close(one, other, subject.patterns):
        subject.refuse("after saving and loading its weights it gives other outputs")


def loads_in_several_processes(subject: FusionSubject) -> None:
    """Two processes of Ray import it by its name, load it twice each, and fuse the same."""
    fusion = subject.make()
    weights = subject.weights or weights_of(fusion)
    fusion.load("cpu", weights)
    present, features = subject.batch()
    given: dict[str, npt.NDArray[Any]] = {
        part("weights", name): array for name, array in (weights or {}).items()
    }
    for name, it in features.items():
        given[part("present", name)] = present[name]
        given[part("data", name)] = it.data
        if it.mask is not None:
            given[part("mask", name)] = it.mask
    order = fusion_order(subject.plugin, fusion.config, subject.features, subject.tasks)
    try:
        answers = in_replicas(order, given)
    except PluginError as error:
        subject.refuse(f"it does not load or run in another process: {error}")
    expected = spread_outputs(fusion.fuse(present, **features))
    for answer in answers:
        if answer.keys() != expected.keys() or not all(
            np.allclose(expected[name], answer[name], rtol=1e-5, atol=1e-5) for name in expected
        ):
            subject.refuse("in another process it gives other outputs")


def is_thread_safe(subject: FusionSubject) -> None:
    """Called by four threads at once, it gives what it gives to one, to 1e-5."""
    fusion = subject.make()
    present, features = subject.batch()
    together = fusion.fuse(present, **features)
    rows = subject.patterns * 4

    def call(row: int) -> Callable[[], Outputs]:
        return lambda: fuse(fusion, present, features, [row])

    for row, outputs in zip(rows, at_once([call(row) for row in rows]), strict=True):
        if not _close(together, outputs, [row]):
            subject.refuse(f"row {row} has other outputs when several threads fuse")


def keeps_no_memory(subject: FusionSubject) -> None:
    """After many calls on ever new sets it holds no more than after a few."""
    fusion = subject.make()
    present, features = subject.batch()
    rows = [row % len(subject.patterns) for row in range(_MANY)]

    def call(number: int) -> None:
        some, taken = cut(present, features, rows)
        for it in taken.values():
            it.data[...] *= it.data.dtype.type(1 + number * 1e-4)
        fusion.fuse(some, **taken)

    kept = kept_per_call(call)
    if kept > KEPT_BYTES:
        subject.refuse(f"it keeps {kept:,.0f} bytes of every call")


#: All checks of a fusion, by name.
FUSION_CHECKS: Final[Mapping[str, Callable[[FusionSubject], None]]] = {
    check.__name__: check
    for check in (
        declares_itself,
        config_is_strict,
        answers_every_pattern,
        ignores_what_is_absent,
        batch_equals_single,
        order_does_not_matter,
        is_deterministic,
        keeps_no_state,
        leaves_inputs_alone,
        takes_read_only_arrays,
        weights_survive_a_file,
        loads_in_several_processes,
        is_thread_safe,
        keeps_no_memory,
    )
}


def _equal(one: Outputs, other: Outputs) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(this, that)
        for name in one
        for this, that in zip(arrays_of(one[name]), arrays_of(other[name]), strict=True)
    )


def _close(whole: Outputs, some: Outputs, rows: list[int]) -> bool:
    return all(
        np.allclose(one[rows], other, rtol=1e-5, atol=1e-5)
        for name in whole
        for one, other in zip(arrays_of(whole[name]), arrays_of(some[name]), strict=True)
    )


def _names(subject: FusionSubject, row: int) -> str:
    names = [name for bit, name in enumerate(subject.features) if row >> bit & 1]
    return ", ".join(names) or "nothing"
