"""Modalities that encode each event once: the cache, and how the events of a set are pooled."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

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
Encoded = npt.NDArray[Any] | Failure


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
        self._known: OrderedDict[tuple[str, str, int], Encoded] = OrderedDict()
        self._lock = threading.Lock()

    def encode(self, events: Sequence[Event]) -> list[Encoded]:
        """Features per event, in this order; an event that occurs twice is encoded once."""
        found: dict[tuple[str, str, int], Encoded] = {}
        missing: dict[tuple[str, str, int], Event] = {}
        with self._lock:
            for event in events:
                key = (event.key, event.id, event.time)
                known = self._known.get(key)
                if known is None:
                    missing[key] = event
                else:
                    self._known.move_to_end(key)
                    found[key] = known
        if missing:
            fresh = self._fresh(list(missing.values()))
            found.update(zip(missing, fresh, strict=True))
            lasting = {
                key: it
                for key, it in zip(missing, fresh, strict=True)
                if not (isinstance(it, Failure) and it.passing)
            }
            with self._lock:
                self._known.update(lasting)
                while len(self._known) > self._size:
                    self._known.popitem(last=False)
        return [found[event.key, event.id, event.time] for event in events]

    def _fresh(self, events: Sequence[Event]) -> list[Encoded]:
        result = self._encoder.run(
            [samples_of_event(event) for event in events],
            identity_hashes([event.id for event in events]),
        )
        out: dict[int, Encoded] = {failure.row: failure for failure in result.failures}
        data, mask = result.features.data, result.features.mask
        for at, row in enumerate(result.rows):
            # Copies, so that one remembered event does not keep its whole batch in memory.
            out[int(row)] = data[at].copy() if mask is None else data[at][mask[at]]
        return [out[row] for row in range(len(events))]


def pool(events: Sequence[npt.NDArray[Any]], spec: FeatureSpec) -> Features:
    """The features of one set, of one row: the mean of vectors, sequences one after the other."""
    if spec.kind == "vector":
        mean = np.mean(np.stack(events), axis=0, dtype=np.float64)
        return Features(mean.astype(spec.dtype)[None])
    steps = np.concatenate(events)
    return Features(steps[None], np.ones((1, len(steps)), np.bool_))
