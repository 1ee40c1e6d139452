"""Modalities that encode each event once: the cache, and how the events of a set are pooled."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sensorium.events import Event
from sensorium.plugin import Features, FeatureSpec
from sensorium.stages._calls import identity_hashes
from sensorium.stages._failure import Failure
from sensorium.stages._samples import samples_of_event
from sensorium.stages._stream_encoder import StreamEncoder

__all__ = ["EventCache", "pool"]

#: The features of one event, (dim,) or (steps, dim), or why there are none.
Encoded: TypeAlias = npt.NDArray[Any] | Failure
#: The key, id and time of an event.
Identity: TypeAlias = tuple[str, str, int]


class _Job:
    """Events that are being encoded before a set asks for them."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.found: Mapping[Identity, Encoded] = {}


class EventCache:
    """Encodes events, each once while it is remembered. Thread-safe.

    Parameters
    ----------
    encoder
        Encodes those that are not known.
    size
        How many events are remembered; the one used longest ago is forgotten first.
    """

    def __init__(self, encoder: StreamEncoder, size: int = 4096) -> None:
        self._encoder = encoder
        self._size = size
        self._known: OrderedDict[Identity, Encoded] = OrderedDict()
        self._under_way: dict[Identity, _Job] = {}
        self._unused: set[Identity] = set()
        self._lock = threading.Lock()
        self.ahead: Counter[str] = Counter(encoded=0, used=0, wasted=0, skipped=0)
        """Events encoded before a set asked for them; of these, used by a set, or wasted: forgotten
        unused, or a set was quicker; and those that were left to their sets for want of room."""

    def begin(self, events: Sequence[Event]) -> Callable[[], list[Encoded]]:
        """Start to encode, and give what waits for features per event, in this order.

        An event that occurs twice is encoded once.
        """
        found: dict[Identity, Encoded] = {}
        missing: dict[Identity, Event] = {}
        awaited: dict[Identity, tuple[_Job, Event]] = {}
        with self._lock:
            for event in events:
                key = _identity(event)
                known = self._known.get(key)
                if known is not None:
                    self._known.move_to_end(key)
                    self._use(key)
                    found[key] = known
                elif (job := self._under_way.get(key)) is not None:
                    awaited[key] = job, event
                else:
                    missing[key] = event
        fresh = self._begin(list(missing.values())) if missing else None

        def finish() -> list[Encoded]:
            if fresh is not None:
                self._add(found, dict(zip(missing, fresh(), strict=True)))
            left = self._await(awaited, found)
            if left:
                self._add(found, dict(zip(left, self._begin(list(left.values()))(), strict=True)))
            return [found[_identity(event)] for event in events]

        return finish

    def encode_ahead(self, events: Sequence[Event]) -> None:
        """Encode events that no set has asked for yet, and wait for it.

        A set that asks for one of them meanwhile waits for it, too, instead of encoding it once
        more. As many are taken as there is room for beside those that wait for their sets
        already, so that none of these is forgotten for one that comes later.
        """
        job = _Job()
        with self._lock:
            new = {
                key: event
                for event in events
                if (key := _identity(event)) not in self._known and key not in self._under_way
            }
            room = max(self._size - len(self._unused) - len(self._under_way), 0)
            mine = dict(list(new.items())[:room])
            self.ahead["skipped"] += len(new) - len(mine)
            self._under_way.update(dict.fromkeys(mine, job))
        if not mine:
            return
        try:
            job.found = _lasting(dict(zip(mine, self._begin(list(mine.values()))(), strict=True)))
        finally:
            with self._lock:
                for key in mine:
                    del self._under_way[key]
                self.ahead["encoded"] += len(job.found)
                first = job.found.keys() - self._known.keys()
                self.ahead["wasted"] += len(job.found) - len(first)
                self._unused |= first
                self._remember(job.found)
            job.done.set()

    def _await(
        self, awaited: Mapping[Identity, tuple[_Job, Event]], found: dict[Identity, Encoded]
    ) -> dict[Identity, Event]:
        """Take what is being encoded elsewhere; gives the events for which that came to nothing."""
        left = {}
        for key, (job, event) in awaited.items():
            job.done.wait()
            encoded = job.found.get(key)
            if encoded is None:
                left[key] = event
                continue
            found[key] = encoded
            with self._lock:
                self._use(key)
        return left

    def _use(self, key: Identity) -> None:
        if key in self._unused:
            self._unused.remove(key)
            self.ahead["used"] += 1

    def _waste(self, key: Identity) -> None:
        if key in self._unused:
            self._unused.remove(key)
            self.ahead["wasted"] += 1

    def _add(self, found: dict[Identity, Encoded], new: Mapping[Identity, Encoded]) -> None:
        found.update(new)
        with self._lock:
            for key in new:
                self._waste(key)
            self._remember(_lasting(new))

    def _remember(self, new: Mapping[Identity, Encoded]) -> None:
        self._known.update(new)
        while len(self._known) > self._size:
            key, _ = self._known.popitem(last=False)
            self._waste(key)

    def _begin(self, events: Sequence[Event]) -> Callable[[], list[Encoded]]:
        waiting = self._encoder.begin(
            [samples_of_event(event) for event in events],
            identity_hashes([event.id for event in events]),
        )

        def finish() -> list[Encoded]:
            result = waiting()
            out: dict[int, Encoded] = {failure.row: failure for failure in result.failures}
            data, mask = result.features.data, result.features.mask
            for at, row in enumerate(result.rows):
                # Copies, so that one remembered event does not keep its whole batch in memory.
                out[int(row)] = data[at].copy() if mask is None else data[at][mask[at]]
            return [out[row] for row in range(len(events))]

        return finish


def _identity(event: Event) -> Identity:
    return event.key, event.id, event.time


def _lasting(encoded: Mapping[Identity, Encoded]) -> dict[Identity, Encoded]:
    """What would come out the same again."""
    return {key: it for key, it in encoded.items() if not (isinstance(it, Failure) and it.passing)}


def pool(events: Sequence[npt.NDArray[Any]], spec: FeatureSpec) -> Features:
    """The features of one set, of one row: the mean of vectors, sequences one after the other."""
    if spec.kind == "vector":
        mean = np.mean(np.stack(events), axis=0, dtype=np.float64)
        return Features(mean.astype(spec.dtype)[None])
    steps = np.concatenate(events)
    return Features(steps[None], np.ones((1, len(steps)), np.bool_))
