"""Records that come together and are laid out alike, decoded all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sensorium.events import Event
from sensorium.plugin import Modality, Record
from sensorium.stages._routing import Router
from sensorium.wire import Layout, Stack

__all__ = ["Stacked", "decode_stacks"]

#: Fewer are not worth the arrays that a stack takes.
_FEWEST: Final = 8
#: The values of a stack are parts of one array, which is there while one of them is: so it is kept
#: small, and large payloads, where a call for each counts little, are decoded one by one.
_MOST: Final = 128
_LARGEST: Final = 4096


@dataclass(frozen=True, slots=True)
class Stacked:
    """The events of a batch of records that were made at once.

    Parameters
    ----------
    events
        Per record, the event that reading and decoding it by itself gives; None where that has to
        be done, and for every record at fault.
    by_stream
        The same events, by stream.
    topics
        Where they were read.
    """

    events: list[Event | None]
    by_stream: dict[str, list[Event]]
    topics: set[str]


def decode_stacks(
    records: Sequence[Record], router: Router, modalities: Mapping[str, Modality], now: int
) -> Stacked:
    """Make events at once of the records that can be decoded together.

    Parameters
    ----------
    records
        As one poll gave them.
    router
        Finds their streams.
    modalities
        Per stream, what decodes its payloads.
    now
        The log time, in ns since the epoch, of records that carry none.
    """
    out = Stacked([None] * len(records), {}, set())
    alike: dict[tuple[str, int], list[int]] = {}
    for row, record in enumerate(records):
        data = record.data
        if type(data) is bytes and len(data) <= _LARGEST and not record.headers:
            place = (record.topic, len(data))
            if place in alike:
                alike[place].append(row)
            else:
                alike[place] = [row]
    for (topic, _), rows in alike.items():
        if len(rows) < _FEWEST:
            continue
        for first in range(0, len(rows), _MOST):
            for name, layout, stack in router.stacks(records, rows[first : first + _MOST]):
                modality = modalities.get(name)
                if modality is None or layout.content_type is not None:
                    continue
                # A plugin may raise anything; then each record is asked.
                with suppress(Exception):
                    made = _events(records, name, layout, stack, modality, now)
                    for row, event in zip(stack.rows, made, strict=True):
                        out.events[row] = event
                    out.by_stream.setdefault(name, []).extend(made)
                    out.topics.add(topic)
    return out


def _events(
    records: Sequence[Record],
    stream: str,
    layout: Layout,
    stack: Stack,
    modality: Modality,
    now: int,
) -> list[Event]:
    """The event of each row of a stack.

    Raises
    ------
    Exception
        If the modality does not decode stacks like this one, or one of its values is at fault.
    """
    values = modality.decode_stack(stack.arrays)
    if values is None:
        raise LookupError("it does not decode stacks of such arrays")
    lasts = layout.duration
    durations = [modality.duration(it) for it in values] if lasts is None else [lasts] * len(values)
    events = []
    for row, key, time, value, duration in zip(
        stack.rows, stack.keys, stack.times, values, durations, strict=True
    ):
        record = records[row]
        arrived = now if record.arrived is None else record.arrived
        origin = f"{record.topic}/{record.partition}/{record.offset}"
        # By position, which costs half of it for every event.
        events.append(Event(stream, key, time, value, origin, origin, arrived, duration))
    return events
