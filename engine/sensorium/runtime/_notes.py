"""The form in which a sink keeps what a restart needs to know of each key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgpack

from sensorium.plugin import Cut

__all__ = ["Carried", "read_notes", "write_notes"]

#: The note that says which cut the others are of.
_CUT: Final = "cut"
#: Comes before the name of a key.
_KEY: Final = "key "


class Carried(NamedTuple):
    """What notes say of a partition number.

    Parameters
    ----------
    known
        By key, what its matcher goes on from.
    void
        Keys of which there are notes that do not hold.
    torn
        Why notes and offsets cannot be of the same cut; None where they are.
    """

    known: Mapping[str, Any]
    void: Iterable[str]
    torn: str | None = None


def write_notes(cut: Cut, changed: Mapping[str, Any]) -> dict[str, bytes | None]:
    """The notes that go with a cut.

    Parameters
    ----------
    cut
        Its number is in a note of its own, so that each commit of offsets has notes.
    changed
        By key, what its matcher would go on from; None for what is to be dropped.
    """
    notes: dict[str, bytes | None] = {
        _KEY + key: None if carried is None else msgpack.packb(carried)
        for key, carried in changed.items()
    }
    notes[_CUT] = msgpack.packb(cut.serial)
    return notes


def read_notes(notes: Mapping[str, bytes], cut: Cut | None, fingerprint: str) -> Carried:
    """What a partition number goes on from.

    Parameters
    ----------
    notes
        All that are kept of it.
    cut
        The stored one, if there is.
    fingerprint
        Of the alignment configuration: of another one, no note holds.
    """
    keys = [name for name in notes if name.startswith(_KEY)]
    if cut is None or cut.fingerprint != fingerprint:
        return Carried({}, [name.removeprefix(_KEY) for name in keys])
    try:
        known = {
            name.removeprefix(_KEY): msgpack.unpackb(notes[name], use_list=False) for name in keys
        }
        serial = msgpack.unpackb(notes[_CUT]) if _CUT in notes else None
    except (ValueError, msgpack.UnpackException) as error:
        return Carried({}, (), f"what the sink carries cannot be read ({type(error).__name__})")
    if serial == cut.serial:
        return Carried(known, ())
    of = "no cut" if serial is None else f"cut {serial}"
    torn = f"the group's offsets are of cut {cut.serial}, and what the sink carries is of {of}"
    return Carried(known, (), torn)
