"""Records that come together and are laid out alike, decoded all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sensorium.plugin import Modality, Record
from sensorium.stages._routing import Router

__all__ = ["Decoded", "decode_stacks"]

#: Fewer are not worth the arrays that a stack takes.
_FEWEST: Final = 8
#: The values of a stack are parts of one array, which is there while one of them is: so it is kept
#: small, and large payloads, where a call for each counts little, are decoded one by one.
_MOST: Final = 128
_LARGEST: Final = 4096


class Decoded(NamedTuple):
    """What is to be known of a record to make an event of it."""

    stream: str
    key: str
    time: int
    value: Any
    duration: int


def decode_stacks(
    records: Sequence[Record], router: Router, modalities: Mapping[str, Modality]
) -> list[Decoded | None]:
    """Decode the records that can be decoded together.

    Parameters
    ----------
    records
        As one poll gave them.
    router
        Finds their streams.
    modalities
        Per stream, what decodes its payloads.

    Returns
    -------
    list
        Per record, what reading and decoding it by itself gives; None where that has to be done,
        and for every record at fault.
    """
    decoded: list[Decoded | None] = [None] * len(records)
    alike: dict[tuple[str, int], list[int]] = {}
    for row, record in enumerate(records):
        data = record.data
        if type(data) is bytes and len(data) <= _LARGEST and not record.headers:
            alike.setdefault((record.topic, len(data)), []).append(row)
    for rows in alike.values():
        if len(rows) < _FEWEST:
            continue
        for first in range(0, len(rows), _MOST):
            _decode(records, rows[first : first + _MOST], router, modalities, decoded)
    return decoded


def _decode(
    records: Sequence[Record],
    rows: Sequence[int],
    router: Router,
    modalities: Mapping[str, Modality],
    decoded: list[Decoded | None],
) -> None:
    for name, layout, stack in router.stacks(records, rows):
        modality = modalities.get(name)
        if modality is None or layout.content_type is not None:
            continue
        try:
            values = modality.decode_stack(stack.arrays)
            if values is None or len(values) != len(stack.rows):
                continue
            duration = layout.duration
            for row, key, time, value in zip(
                stack.rows, stack.keys, stack.times, values, strict=True
            ):
                lasts = modality.duration(value) if duration is None else duration
                if type(lasts) is int and lasts >= 0:
                    decoded[row] = Decoded(name, key, time, value, lasts)
        except Exception:  # noqa: S112 - a plugin may raise anything; each record is asked
            continue
