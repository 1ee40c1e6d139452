"""The conformance checks of a modality."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from sensorium.errors import PayloadError, PluginError
from sensorium.plugin import Arrays, Modality, Payload, Samples
from sensorium.stages import StreamEncoder
from sensorium.testing._run import decoded
from sensorium.testing.conformance._compare import close, read_only, round_trip, row_of, same
from sensorium.testing.conformance._config_checks import declared, strict
from sensorium.testing.conformance._hostile import hostile
from sensorium.testing.conformance._modality_subject import ModalitySubject, learned
from sensorium.testing.conformance._replica import modality_order, part, spread_features
from sensorium.testing.conformance._replicas import in_replicas
from sensorium.testing.conformance._report import InapplicableError
from sensorium.testing.conformance._trials import KEPT_BYTES, at_once, kept_per_call, seeded

__all__ = ["MODALITY_CHECKS"]

#: How many items or sets are in a call when what it keeps is looked at.
_MANY: Final = 16


def declares_itself(subject: ModalitySubject) -> None:
    """It has a name, the right API version, and a feature that can be known before `load`."""
    plugin = subject.plugin
    declared(subject, plugin)
    spec = plugin(plugin.Config.model_validate(dict(subject.config))).feature
    if spec.dim < 1 or spec.kind not in ("vector", "sequence"):
        subject.refuse(f"feature is {spec}")


def config_is_strict(subject: ModalitySubject) -> None:
    """Its configuration refuses unknown keys, is frozen, and survives JSON."""
    strict(subject, subject.plugin.Config, subject.config)


def refuses_bad_payloads(subject: ModalitySubject) -> None:
    """Any payload is a value or a `PayloadError`; what is a value is encoded, or refused then."""
    modality = subject.make()
    encoder = StreamEncoder(modality)
    for payload in hostile(subject.payloads):
        told = f"the payload {payload.data!r:.60} of type {payload.content_type}"
        try:
            (item,) = decoded(modality, [payload])
            arrays = modality.prepare([item])
        except PayloadError:
            continue
        except Exception as error:
            subject.refuse(
                f"decode or prepare raised {type(error).__name__} for {told}; raise PayloadError"
            )
        for failure in encoder.encode(arrays).failures:
            subject.refuse(f"decode and prepare took {told}, and then {failure.message}")


def decodes_many_as_one(subject: ModalitySubject) -> None:
    """`decode_stack`, where it is written, gives what `decode` gives for each, or None."""
    if subject.plugin.decode_stack is Modality.decode_stack:
        raise InapplicableError("it decodes every payload by itself")
    modality = subject.make()
    arrays = [it for it in _data(subject.payloads) if isinstance(it, np.ndarray)]
    if not arrays:
        raise InapplicableError("none of the payloads is an array")
    for array in arrays:
        stack = np.stack([array, array[::-1], array])
        spoilt = stack.copy()
        if stack.dtype.kind == "f" and stack.size:
            spoilt.reshape(len(spoilt), -1)[1, -1] = np.nan
        for given in (stack, spoilt):
            try:
                one_by_one = [modality.decode(Payload(it)) for it in given]
            except PayloadError:
                one_by_one = None
            together = modality.decode_stack(read_only(given))
            if together is None:
                continue
            if one_by_one is None:
                subject.refuse("decode_stack takes a payload that decode refuses")
            if not same(list(together), one_by_one):
                subject.refuse("decode_stack gives other values than decode")


def gives_what_it_declares(subject: ModalitySubject) -> None:
    """Rows, dims, dtype and mask are as `feature` says; nothing is NaN or infinite."""
    modality = subject.make()
    subject.checked(modality, subject.items(modality))


def takes_several_events(subject: ModalitySubject) -> None:
    """A set with several events of the stream is one item, too, or refused by a `PayloadError`."""
    if subject.plugin.per == "event":
        raise InapplicableError("it encodes every event by itself")
    modality = subject.make()
    encoder = StreamEncoder(modality)
    for failure in encoder.run([subject.joined(modality), *subject.items(modality)]).failures:
        if failure.error != "PayloadError":
            subject.refuse(failure.message)


def batch_equals_single(subject: ModalitySubject) -> None:
    """An item's features do not depend on the items beside it, to 1e-5."""
    modality = subject.make()
    items = subject.items(modality)
    together = subject.features(modality, items)
    for row, item in enumerate(items):
        alone = subject.features(modality, [item])
        if not close(row_of(together, row), row_of(alone, 0)):
            subject.refuse(f"item {row} has other features in a batch than alone")


def order_does_not_matter(subject: ModalitySubject) -> None:
    """Items in another order give the same features in that order, to 1e-5."""
    modality = subject.make()
    items = subject.items(modality)
    forward = subject.features(modality, items)
    backward = subject.features(modality, items[::-1])
    for row in range(len(items)):
        if not close(row_of(forward, row), row_of(backward, len(items) - 1 - row)):
            subject.refuse(f"item {row} has other features when the batch is in another order")


def is_deterministic(subject: ModalitySubject) -> None:
    """The same batch gives the same bits again, whatever the seeds of random numbers."""
    modality = subject.make()
    items = subject.items(modality)
    with seeded(1):
        first = subject.features(modality, items)
    with seeded(2):
        again = subject.features(modality, items)
    if not np.array_equal(first.data, again.data):
        subject.refuse("the same batch gave other features the second time: it draws at random")


def keeps_no_state(subject: ModalitySubject) -> None:
    """The same batch gives the same bits again, whatever was done in between."""
    modality = subject.make()
    items = subject.items(modality)
    first = subject.features(modality, items)
    for item in items[::-1]:
        subject.features(modality, [item])
    subject.items(modality)
    again = subject.features(modality, subject.items(modality))
    if not np.array_equal(first.data, again.data):
        subject.refuse("the same batch gave other features after others: it keeps state")


def leaves_inputs_alone(subject: ModalitySubject) -> None:
    """`decode`, `prepare` and `encode` do not write into what they are given."""
    modality = subject.make()
    given = copy.deepcopy(subject.payloads)
    items = decoded(modality, given)
    if not same(_data(given), _data(subject.payloads)):
        subject.refuse("decode changes the payload that it is given")
    before = copy.deepcopy([item.values for item in items])
    arrays = modality.prepare(items)
    if not same(before, [item.values for item in items]):
        subject.refuse("prepare changes the values that it is given")
    kept = {name: array.copy() for name, array in arrays.items()}
    modality.encode(arrays)
    if not all(same(kept[name], arrays[name]) for name in kept):
        subject.refuse("encode changes the arrays that it is given")


def takes_read_only_arrays(subject: ModalitySubject) -> None:
    """Payloads, values and arrays may be read-only, as over a record or from another process."""
    modality = subject.make()
    try:
        items = [_frozen(item) for item in decoded(modality, list(map(_locked, subject.payloads)))]
        arrays = {name: read_only(array) for name, array in modality.prepare(items).items()}
        modality.encode(arrays)
    except ValueError as error:
        subject.refuse(f"it cannot work on read-only arrays: {error}")


def weights_survive_a_file(subject: ModalitySubject) -> None:
    """What was trained is loaded again from safetensors and gives the same features."""
    modality = subject.make()
    items = subject.items(modality)
    weights = learned(modality, modality.prepare(items))
    if weights is None:
        raise InapplicableError("it is neither Trainable nor Fittable")
    modality.load("cpu", weights)
    again = replace(subject, weights=round_trip(weights)).make()
    if not close(subject.features(modality, items), subject.features(again, items)):
        subject.refuse("after saving and loading its weights it gives other features")


def loads_in_several_processes(subject: ModalitySubject) -> None:
    """Two processes of Ray import it by its name, load it twice each, and encode the same."""
    modality = subject.make()
    arrays = subject.prepared(modality)
    weights = subject.weights or learned(modality, arrays)
    modality.load("cpu", weights)
    given = {part("arrays", name): array for name, array in arrays.items()}
    given |= {part("weights", name): array for name, array in (weights or {}).items()}
    expected = spread_features(modality.encode(arrays))
    try:
        answers = in_replicas(modality_order(subject.plugin, modality.config), given)
    except PluginError as error:
        subject.refuse(f"it does not load or run in another process: {error}")
    for answer in answers:
        if not _agree(expected, answer):
            subject.refuse("in another process it gives other features")


def is_thread_safe(subject: ModalitySubject) -> None:
    """Called by four threads at once, it gives what it gives to one, to 1e-5."""
    modality = subject.make()
    items = subject.items(modality)
    each = [modality.prepare([item]) for item in items]
    alone = [modality.encode(arrays) for arrays in each]
    rows = [row for _ in range(4) for row in range(len(items))]

    def call(row: int) -> Callable[[], Any]:
        return lambda: modality.encode(each[row])

    for row, features in zip(rows, at_once([call(row) for row in rows]), strict=True):
        if not close(alone[row], features):
            subject.refuse(f"item {row} has other features when several threads encode")


def keeps_no_memory(subject: ModalitySubject) -> None:
    """After many calls on ever new items it holds no more than after a few."""
    modality = subject.make()
    count = len(subject.payloads)
    rows = [row % count for row in range(_MANY)]
    items = subject.items(modality)
    arrays = modality.prepare([items[row] for row in rows])

    def call(number: int) -> None:
        modality.prepare(subject.items(modality))
        modality.encode(_varied(arrays, number))

    kept = kept_per_call(call)
    if kept > KEPT_BYTES:
        subject.refuse(f"it keeps {kept:,.0f} bytes of every call")


#: All checks of a modality, by name.
MODALITY_CHECKS: Final[Mapping[str, Callable[[ModalitySubject], None]]] = {
    check.__name__: check
    for check in (
        declares_itself,
        config_is_strict,
        refuses_bad_payloads,
        decodes_many_as_one,
        gives_what_it_declares,
        takes_several_events,
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


def _data(payloads: Any) -> list[Any]:
    return [it.data if isinstance(it, Payload) else it for it in payloads]


def _locked(payload: Any) -> Any:
    data = payload.data if isinstance(payload, Payload) else payload
    if not isinstance(data, np.ndarray):
        return payload
    locked = read_only(data)
    return replace(payload, data=locked) if isinstance(payload, Payload) else locked


def _frozen(item: Samples) -> Samples:
    values = [read_only(it) if isinstance(it, np.ndarray) else it for it in item.values]
    return replace(
        item, times=read_only(item.times), durations=read_only(item.durations), values=values
    )


def _varied(arrays: Arrays, number: int) -> Arrays:
    """Arrays with rows that no call has seen yet, where they are of floats."""
    varied = {}
    for name, array in arrays.items():
        rows = number * len(array) + np.arange(len(array))
        factors = (1 + rows * 1e-6).reshape(-1, *[1] * (array.ndim - 1))
        floats = array.dtype.kind == "f"
        varied[name] = (array * factors).astype(array.dtype) if floats else array.copy()
    return varied


def _agree(one: Arrays, other: Arrays) -> bool:
    return one.keys() == other.keys() and all(
        one[name].shape == other[name].shape
        and np.allclose(one[name], other[name], rtol=1e-5, atol=1e-5)
        for name in one
    )
