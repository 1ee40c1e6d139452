"""Encoding events before their sets settle (``encode: eager``), beside the line."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

from sensorium.events import Event
from sensorium.observe import Reading

if TYPE_CHECKING:
    from sensorium.host import Pipeline

__all__ = ["Ahead", "EncodesAhead", "ahead_of"]

#: The most events of a stream that wait for their turn; the others are encoded with their sets.
_WAITING: Final = 1024
#: How long the end of a run waits for a call that is under way, in seconds: nobody needs it.
_END_SECONDS: Final = 1.0


class EncodesAhead(Protocol):
    """What the models are called by: `ModelWork`, or what asks for one elsewhere."""

    def encode_ahead(self, stream: str, events: Sequence[Event]) -> None:
        """Encode events of a stream that no set has asked for yet, and remember them."""
        ...

    def ahead(self, stream: str) -> Mapping[str, int]:
        """What became of them; see `sensorium.stages.Encoder.ahead`."""
        ...


class Ahead:
    """Takes events as they are read, and has them encoded, each stream on a thread of its own.

    Nothing waits for it, and no result depends on it: what it has not done when a set settles is
    done then, as if it were not there.

    Parameters
    ----------
    sizes
        Per stream, the most events of one call: so long a set may have to wait for one of them.
        Other streams are left alone; by default all are.
    work
        What is called; none is needed without streams.
    """

    def __init__(
        self, sizes: Mapping[str, int] = MappingProxyType({}), work: EncodesAhead | None = None
    ) -> None:
        self._sizes = dict(sizes)
        self._work = work
        self._waiting: dict[str, deque[Event]] = {name: deque() for name in sizes}
        self._skipped: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._ended = False
        self._error: Exception | None = None
        self._threads: list[threading.Thread] = []

    def take(self, events: Iterable[Event]) -> None:
        """Have events encoded, as far as there is room; never waits.

        Raises
        ------
        Exception
            What a call has raised: the pipeline is to stop, as it would have without this.
        """
        if self._error is not None:
            raise self._error
        if not self._sizes:
            return
        if not self._threads:
            self._start()
        with self._changed:
            for event in events:
                waiting = self._waiting.get(event.stream)
                if waiting is None:
                    continue
                if len(waiting) < _WAITING:
                    waiting.append(event)
                else:
                    self._skipped[event.stream] += 1
            self._changed.notify_all()

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Per stream: events ``encoded`` ahead, of these ``used`` by a set and ``wasted``, and
        those ``skipped`` for want of room. May be called from any thread."""
        found = {}
        for name in self._sizes:
            assert self._work is not None
            counts = dict(self._work.ahead(name))
            counts["skipped"] += self._skipped[name]
            found[name] = counts
        return found

    def readings(self) -> list[Reading]:
        """The same as metrics."""
        return [
            Reading("sensorium_events_ahead_total", (stream, outcome), count)
            for stream, counts in self.counts.items()
            for outcome, count in counts.items()
        ]

    def close(self) -> None:
        """Begin nothing more; may be called twice."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_END_SECONDS)

    def _start(self) -> None:
        for name in self._sizes:
            thread = threading.Thread(
                target=self._turn, args=(name,), name=f"sensorium-ahead-{name}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def _turn(self, stream: str) -> None:
        waiting, size = self._waiting[stream], self._sizes[stream]
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or bool(waiting))
                if self._ended:
                    return
                events = list(islice(waiting, size))
                for _ in events:
                    waiting.popleft()
            try:
                assert self._work is not None
                self._work.encode_ahead(stream, events)
            except Exception as error:
                self._error = error
                return


def ahead_of(pipeline: Pipeline, work: EncodesAhead) -> Ahead:
    """What encodes the events of a pipeline's eager streams."""
    eager = [name for name, part in pipeline.config.streams.items() if part.encode == "eager"]
    return Ahead({name: pipeline.streams[name].batch_size for name in eager}, work)
