"""One set from what a request gives, without alignment."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from sensorium.door._refused import RefusedError
from sensorium.door._request import Payloads, Request
from sensorium.events import Absence, AlignedSet, Event
from sensorium.plugin import Record
from sensorium.stages import Ingest, IngestStream, Wiring

if TYPE_CHECKING:
    from sensorium.host import Pipeline

__all__ = ["SetMaker"]

#: The key of a set whose request names none.
_NO_KEY = "door"


class SetMaker:
    """Decodes payloads as ingest does, and takes what there is as one set. Thread-safe.

    Parameters
    ----------
    pipeline
        Its streams say how payloads are read.
    clock
        Gives the time, in ns since the epoch, of payloads that have none.
    """

    def __init__(self, pipeline: Pipeline, clock: Callable[[], int] = time.time_ns) -> None:
        # Under its own name, whatever its topic: it is the input's name that says the stream.
        self._streams = {
            name: IngestStream(part.modality(part.config), "", Wiring(part.format, part.fields))
            for name, part in pipeline.streams.items()
        }
        self._offsets = {name: part.spec.offset for name, part in pipeline.streams.items()}
        self._clock = clock

    def make(self, request: Request) -> AlignedSet:
        """The set of a request; a stream that it does not name is absent.

        Raises
        ------
        RefusedError
            Naming the input at fault.
        """
        now = self._clock()
        ingest = Ingest(self._streams, clock=lambda: now)
        members: dict[str, tuple[Event, ...]] = {}
        key: str | None = None
        for name, payloads in request.inputs.items():
            if name not in self._streams:
                there = ", ".join(self._streams)
                raise _bad(name, f"there is no such stream; there are {there}")
            events = [
                self._event(ingest, name, number, record, payloads, now)
                for number, record in enumerate(payloads.records)
            ]
            if not events:
                raise _bad(name, "it is empty; leave out a stream that is absent")
            for event in events:
                if key is not None and event.key != key:
                    raise _bad(
                        name, f"its key is {event.key[:80]!r}, and another's {key[:80]!r}: one "
                        "request is one set of one entity"
                    )  # fmt: skip
                key = event.key
            members[name] = tuple(sorted(events, key=lambda it: it.time))
        every = [event for events in members.values() for event in events]
        start = min(it.time for it in every) if request.start is None else request.start
        end = max(max(it.end, it.time + 1) for it in every) if request.end is None else request.end
        if end <= start:
            raise RefusedError(
                HTTPStatus.BAD_REQUEST, f"parameters: the set ends at {end}, and starts at {start}"
            )
        return AlignedSet(
            key=key or _NO_KEY,
            time=max(it.time for it in every) if request.start is None else start,
            members=members,
            absent={name: Absence.PROVEN for name in self._streams if name not in members},
            id=request.id or _NO_KEY,
            start=start,
            end=end,
        )

    def _event(
        self, ingest: Ingest, name: str, number: int, data: bytes, given: Payloads, now: int
    ) -> Event:
        media_type = given.media_type
        record = Record(
            topic=name,
            partition=0,
            offset=number,
            data=data,
            key=(_NO_KEY if given.key is None else given.key).encode(),
            headers={} if media_type is None else {"content-type": media_type.encode()},
            time=now if given.time is None else given.time,
            arrived=now,
        )
        read = ingest.read([record])
        for letter in read.letters:
            raise _bad(name, f"payload {number}: {letter.message}")
        event = next((item for _, item in read.items if isinstance(item, Event)), None)
        if event is None:
            raise _bad(name, f"payload {number}: a heartbeat is no event")
        offset = self._offsets[name]
        return replace(event, time=event.time + int(offset)) if offset else event


def _bad(name: str, message: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, f"input {name[:80]!r}: {message}")
