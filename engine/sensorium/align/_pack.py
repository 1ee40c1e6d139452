"""Quiet keys in a few hundred bytes."""

from __future__ import annotations

import marshal
from dataclasses import dataclass

from sensorium.align._state import History, KeyState, KeyStream
from sensorium.durations import Duration
from sensorium.plugin import Matcher

__all__ = ["Packed", "pack", "unpack"]


@dataclass(slots=True)
class Packed:
    """A key with nothing pending.

    Parameters
    ----------
    data
        Its newest log time and, per stream, its bound and what was seen. The bytes never leave
        the process.
    look_at
        The log time at which it is forgotten.
    matcher
        Its matcher, if that still knows something.
    """

    data: bytes
    look_at: Duration
    matcher: Matcher | None


def pack(key: KeyState, look_at: Duration, *, keep_matcher: bool) -> Packed:
    """Pack a key that holds nothing, and waits for nothing."""
    streams = [(own.bound, own.seen, own.repeated) for own in key.streams]
    data = marshal.dumps((key.newest, streams))
    return Packed(data, look_at, key.matcher if keep_matcher else None)


def unpack(name: str, packed: Packed, matcher: Matcher, *, keep_history: bool) -> KeyState:
    """The key that was packed."""
    newest, parts = marshal.loads(packed.data)  # noqa: S302  # made by `pack`, in this process
    streams = []
    for bound, seen, repeated in parts:
        own = KeyStream(keep_history=keep_history)
        own.bound, own.seen, own.repeated = bound, seen, repeated
        if own.history is not None:
            # Every stream has passed all that the key ever logged, so nothing asks for less.
            own.history = History([newest], [bound])
        streams.append(own)
    key = KeyState(name, streams, matcher)
    key.newest = newest
    return key
