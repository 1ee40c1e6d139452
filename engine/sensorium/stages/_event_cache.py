"""Modalities that encode each event once: the cache, and how the events of a set are pooled."""

from __future__ import annotations

import threading
from collections import OrderedDict
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


class EventCache:
    """Encodes events, each once while it is remembered.

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
        self._lock = threading.Lock()

    def begin(self, events: Sequence[Event]) -> Callable[[], list[Encoded]]:
        """Start to encode, and give what waits for features per event, in this order.

        An event that occurs twice is encoded once.
        """
        found: dict[Identity, Encoded] = {}
        missing: dict[Identity, Event] = {}
        with self._lock:
            for event in events:
                key = (event.key, event.id, event.time)
                known = self._known.get(key)
                if known is None:
                    missing[key] = event
                else:
                    self._known.move_to_end(key)
                    found[key] = known
        fresh = self._begin(list(missing.values())) if missing else None

        def finish() -> list[Encoded]:
            if fresh is not None:
                new = dict(zip(missing, fresh(), strict=True))
                found.update(new)
                self._remember(new)
            return [found[event.key, event.id, event.time] for event in events]

        return finish

    def _remember(self, new: Mapping[Identity, Encoded]) -> None:
        lasting = {
            key: it for key, it in new.items() if not (isinstance(it, Failure) and it.passing)
        }
        with self._lock:
            self._known.update(lasting)
            while len(self._known) > self._size:
                self._known.popitem(last=False)

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


def pool(events: Sequence[npt.NDArray[Any]], spec: FeatureSpec) -> Features:
    """The features of one set, of one row: the mean of vectors, sequences one after the other."""
    if spec.kind == "vector":
        mean = np.mean(np.stack(events), axis=0, dtype=np.float64)
        return Features(mean.astype(spec.dtype)[None])
    steps = np.concatenate(events)
    return Features(steps[None], np.ones((1, len(steps)), np.bool_))
