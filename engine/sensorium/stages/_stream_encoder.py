"""One stream's modality, called safely: in batches of at most a size, culprits found, results
checked. `StreamEncoder.encode` takes and gives arrays only, so it may run in another process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from sensorium.plugin import Arrays, Features, FeatureSpec, Modality, Samples
from sensorium.stages._calls import Call, call_rows
from sensorium.stages._check import check_arrays, check_features, finite_rows, rows_of
from sensorium.stages._failure import Failure, bisect, failures_of
from sensorium.stages._rows import join_features, take_features

__all__ = ["EncodedRows", "Prepared", "StreamEncoder"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Items as arrays.

    Parameters
    ----------
    parts
        Item numbers, intp of shape (items,), and their arrays; one part per call of `encode`.
    failures
        Items that could not be prepared.
    """

    parts: tuple[tuple[npt.NDArray[np.intp], Arrays], ...]
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class EncodedRows:
    """Items as features.

    Parameters
    ----------
    rows
        The item numbers that were encoded, intp of shape (items,), ascending.
    features
        Their features, in this order.
    failures
        The items that were not.
    """

    rows: npt.NDArray[np.intp]
    features: Features
    failures: tuple[Failure, ...] = ()


class StreamEncoder:
    """Calls the modality of one stream.

    Parameters
    ----------
    modality
        Loaded, if `encode` is to be called.
    size
        The most items of one call of `prepare` and of `encode`.
    pad
        Whether every call of `encode` gets exactly `size` items, each always at the same place,
        filled up with copies that are dropped again: then the features of an item are bitwise the
        same in every batch, for a modality whose arrays do not depend on the other items. It
        takes more calls, about four instead of one for a full batch of 64.
    """

    elsewhere: bool = False
    """Whether `encode` waits for another process, so that it pays to begin several at once."""

    def __init__(self, modality: Modality, size: int = 64, pad: bool = False) -> None:
        self.modality = modality
        self.size = size
        self.pad = pad

    def prepare(self, items: Sequence[Samples]) -> Prepared:
        """Turn items into arrays; an item that fails is left out and named."""
        name = self.modality.name
        parts: list[tuple[npt.NDArray[np.intp], Arrays]] = []
        failures: list[Failure] = []

        def call(start: int, stop: int) -> Arrays:
            arrays = self.modality.prepare(items[start:stop])
            check_arrays(arrays, stop - start, name)
            return arrays

        for first in range(0, len(items), self.size):
            last = min(first + self.size, len(items))
            for start, stop, outcome in bisect(call, first, last):
                if isinstance(outcome, Exception):
                    rows = range(start, stop)
                    failures += failures_of(rows, outcome, name, "prepare", withhold=True)
                else:
                    parts.append((np.arange(start, stop), outcome))
        return Prepared(tuple(parts), tuple(failures))

    def encode(self, arrays: Arrays, hashes: npt.NDArray[np.uint32] | None = None) -> EncodedRows:
        """Encode items; one that fails, or whose features are not finite, is left out and named.

        Parameters
        ----------
        arrays
            The items.
        hashes
            With `pad`, per item a hash of what it is, which decides its place in a call; by
            default its place in `arrays` does.
        """
        modality, name = self.modality, self.modality.name
        spec = modality.feature
        parts: list[Features] = []
        kept: list[npt.NDArray[np.intp]] = []
        failures: list[Failure] = []

        def call(these: Call) -> Features:
            features = modality.encode({key: these.give(array) for key, array in arrays.items()})
            check_features(features, these.size, spec, name)
            mask = features.mask
            return Features(these.take(features.data), None if mask is None else these.take(mask))

        total = rows_of(arrays)
        if self.pad and hashes is None:
            hashes = np.arange(total, dtype=np.uint32)
        for rows, outcome in call_rows(call, total, self.size, hashes if self.pad else None):
            if isinstance(outcome, Exception):
                failures += failures_of(rows, outcome, name, "encode")
                continue
            finite = finite_rows(outcome.data)
            failures += [_not_finite(int(row), name) for row in rows[~finite]]
            parts.append(outcome if finite.all() else take_features(outcome, finite))
            kept.append(rows[finite])
        return _in_order(kept, parts, failures, spec)

    def start(
        self, arrays: Arrays, hashes: npt.NDArray[np.uint32] | None = None
    ) -> Callable[[], EncodedRows]:
        """`encode` in two steps: start what goes on elsewhere, and give what waits for it."""
        return partial(self.encode, arrays, hashes)

    def begin(
        self, items: Sequence[Samples], hashes: npt.NDArray[np.uint32] | None = None
    ) -> Callable[[], EncodedRows]:
        """`run` in two steps: `prepare` and `start`, and give what waits for the result."""
        prepared = self.prepare(items)
        started = [
            (rows, self.start(arrays, None if hashes is None else hashes[rows]))
            for rows, arrays in prepared.parts
        ]

        def finish() -> EncodedRows:
            failures = list(prepared.failures)
            kept, parts = [], []
            for rows, result in started:
                encoded = result()
                kept.append(rows[encoded.rows])
                parts.append(encoded.features)
                failures += [replace(it, row=int(rows[it.row])) for it in encoded.failures]
            return _in_order(kept, parts, failures, self.modality.feature)

        return finish

    def run(
        self, items: Sequence[Samples], hashes: npt.NDArray[np.uint32] | None = None
    ) -> EncodedRows:
        """`prepare`, then `encode`."""
        return self.begin(items, hashes)()


def _in_order(
    kept: list[npt.NDArray[np.intp]],
    parts: list[Features],
    failures: list[Failure],
    spec: FeatureSpec,
) -> EncodedRows:
    rows = np.concatenate(kept) if kept else np.empty(0, np.intp)
    features = join_features(parts, spec)
    if (rows[1:] < rows[:-1]).any():
        order = np.argsort(rows)
        rows, features = rows[order], take_features(features, order)
    return EncodedRows(rows, features, tuple(sorted(failures, key=lambda it: it.row)))


def _not_finite(row: int, name: str) -> Failure:
    message = f"{name}.encode gave NaN or infinity"
    return Failure(row, name, "encode", "NotFinite", message)
