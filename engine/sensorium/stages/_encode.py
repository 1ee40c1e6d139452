"""Encode: a micro-batch of sets to one feature array per stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sensorium.events import Absence, AlignedSet, DeadLetter, Event
from sensorium.plugin import Features, Modality
from sensorium.stages._calls import identity_hashes
from sensorium.stages._event_cache import EventCache, pool
from sensorium.stages._failure import Failure
from sensorium.stages._rows import place_features
from sensorium.stages._samples import samples_of
from sensorium.stages._stream_encoder import StreamEncoder

__all__ = ["EncodedBatch", "Encoder", "FailedStream"]

#: The rows of the sets that have features of a stream, their features, and what failed.
Placed: TypeAlias = "tuple[list[npt.NDArray[np.intp]], list[Features], list[FailedStream]]"


@dataclass(frozen=True, slots=True)
class FailedStream:
    """A stream of a set that could not be encoded.

    Parameters
    ----------
    stream
        The stream.
    failure
        What failed; its row is that of the set.
    events
        The events at fault.
    """

    stream: str
    failure: Failure
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """What fuse takes, and what failed on the way.

    Parameters
    ----------
    present
        Per stream, bool of shape (sets,).
    features
        Per stream, its features; zeros where it is not present.
    hashes
        A hash of each set's id, which decides its place in a padded call; uint32, shape (sets,).
    failed
        The streams of sets that could not be encoded; they are not present.
    """

    present: Mapping[str, npt.NDArray[np.bool_]]
    features: Mapping[str, Features]
    hashes: npt.NDArray[np.uint32]
    failed: tuple[FailedStream, ...] = ()

    def mark(self, sets: Sequence[AlignedSet]) -> list[AlignedSet]:
        """The same sets, in which streams that failed are absent for that reason."""
        failed: dict[int, set[str]] = {}
        for one in self.failed:
            failed.setdefault(one.failure.row, set()).add(one.stream)
        marked = list(sets)
        for row, streams in failed.items():
            old = marked[row]
            members = {name: it for name, it in old.members.items() if name not in streams}
            absent = {**old.absent, **dict.fromkeys(sorted(streams), Absence.FAILED)}
            marked[row] = replace(old, members=members, absent=absent)
        return marked

    def letters(self, sets: Sequence[AlignedSet]) -> list[DeadLetter]:
        """One dead letter per stream that failed in a set, but for what has been told."""
        return [_letter(one, sets[one.failure.row]) for one in self.failed if not one.failure.told]


class Encoder:
    """Encodes every stream of a micro-batch. Thread-safe, as the modalities are.

    Parameters
    ----------
    modalities
        Per stream, in the order of the pipeline file, its loaded modality.
    sizes
        Per stream, the most items of one call; `batch_size` for others.
    batch_size
        The most sets of a micro-batch.
    pad
        Whether every call of a modality gets exactly its size: see `StreamEncoder`.
    cache
        How many events are remembered per stream whose modality encodes per event.
    encoders
        Per stream whose modality is called in a way of its own, what calls it.
    """

    def __init__(
        self,
        modalities: Mapping[str, Modality],
        sizes: Mapping[str, int] | None = None,
        batch_size: int = 64,
        pad: bool = False,
        cache: int = 4096,
        encoders: Mapping[str, StreamEncoder] | None = None,
    ) -> None:
        self._streams = {
            name: (encoders or {}).get(name)
            or StreamEncoder(modality, (sizes or {}).get(name, batch_size), pad)
            for name, modality in modalities.items()
        }
        self._caches = {
            name: EventCache(encoder, cache)
            for name, encoder in self._streams.items()
            if encoder.modality.per == "event"
        }
        # What works elsewhere is waited for last: meanwhile the others are encoded here.
        self._finished = sorted(self._streams, key=lambda name: self._streams[name].elsewhere)

    @property
    def streams(self) -> Mapping[str, StreamEncoder]:
        """What calls each stream's modality."""
        return self._streams

    def encode_ahead(self, stream: str, events: Sequence[Event]) -> None:
        """Encode events of a stream whose sets have not settled; see `EventCache.encode_ahead`.

        Only of a stream whose modality encodes per event.
        """
        self._caches[stream].encode_ahead(events)

    def ahead(self, stream: str) -> Mapping[str, int]:
        """What became of the events of a stream that were encoded ahead; see `EventCache.ahead`."""
        return dict(self._caches[stream].ahead)

    def encode(self, sets: Sequence[AlignedSet]) -> EncodedBatch:
        """Encode a micro-batch; what fails is absent and named, the others go on."""
        hashes = identity_hashes([one.id or f"{one.key}/{one.time}" for one in sets])
        begun = {name: self._begin(sets, name, hashes) for name in self._streams}
        done = {name: begun[name]() for name in self._finished}
        present: dict[str, npt.NDArray[np.bool_]] = {}
        features: dict[str, Features] = {}
        failed: list[FailedStream] = []
        for name, encoder in self._streams.items():
            rows, parts, faults = done[name]
            there = np.zeros(len(sets), np.bool_)
            for where in rows:
                there[where] = True
            present[name] = there
            features[name] = place_features(len(sets), rows, parts, encoder.modality.feature)
            failed += faults
        return EncodedBatch(present, features, hashes, tuple(failed))

    def _begin(
        self, sets: Sequence[AlignedSet], stream: str, hashes: npt.NDArray[np.uint32]
    ) -> Callable[[], Placed]:
        if stream in self._caches:
            return self._per_event(sets, stream)
        return self._per_set(sets, stream, hashes)

    def _per_set(
        self, sets: Sequence[AlignedSet], stream: str, hashes: npt.NDArray[np.uint32]
    ) -> Callable[[], Placed]:
        numbers, items = samples_of(sets, stream)
        if not items:
            return lambda: ([], [], [])
        waiting = self._streams[stream].begin(items, hashes[numbers])

        def finish() -> Placed:
            result = waiting()
            faults = []
            for failure in result.failures:
                row = numbers[failure.row]
                faults.append(
                    FailedStream(stream, replace(failure, row=row), sets[row].members[stream])
                )
            return [np.array(numbers, np.intp)[result.rows]], [result.features], faults

        return finish

    def _per_event(self, sets: Sequence[AlignedSet], stream: str) -> Callable[[], Placed]:
        members = [aligned.members.get(stream, ()) for aligned in sets]
        waiting = self._caches[stream].begin([event for them in members for event in them])
        spec = self._streams[stream].modality.feature

        def finish() -> Placed:
            encoded = iter(waiting())
            rows, parts, faults = [], [], []
            for row, events in enumerate(members):
                if not events:
                    continue
                good = []
                for event in events:
                    one = next(encoded)
                    if isinstance(one, Failure):
                        faults.append(FailedStream(stream, replace(one, row=row), (event,)))
                    else:
                        good.append(one)
                # A set that lost one of its events would not be what its members say.
                if len(good) == len(events):
                    rows.append(np.array([row], np.intp))
                    parts.append(pool(good, spec))
            return rows, parts, faults

        return finish


def _letter(failed: FailedStream, aligned: AlignedSet) -> DeadLetter:
    first, failure = failed.events[0], failed.failure
    message = f"{failure.message} (set {aligned.id or aligned.time} of {_origins(failed.events)})"
    return DeadLetter(
        stage="encode",
        error=failure.error,
        message=message,
        stream=failed.stream,
        key=aligned.key,
        time=first.time,
        origin=first.origin,
        plugin=failure.plugin,
        hook=failure.hook,
    )


def _origins(events: Sequence[Event]) -> str:
    shown = ", ".join(event.origin or event.id for event in events[:8])
    more = len(events) - 8
    return f"{shown} and {more} more" if more > 0 else shown
