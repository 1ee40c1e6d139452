"""How many bytes a decoded value holds, estimated quickly."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["EVENT_BYTES", "value_bytes"]

#: What an event costs without its value: the event, its texts, its places in the aligner.
EVENT_BYTES: Final = 512
#: Values lie a few levels deep; what lies deeper is small beside them.
_DEPTH: Final = 4
_SCALARS: Final = frozenset({bool, int, float, str, bytes})


def value_bytes(value: Any, depth: int = _DEPTH) -> int:
    """Estimate the memory of a value, in bytes.

    Arrays count with ``nbytes``, texts and bytes with their length. A list is as many times its
    first item as it is long, so that a million numbers are not counted one by one; mappings and
    attributes are added up. The estimate serves a limit: it depends on the value alone, so the
    same events are evicted in every run.
    """
    if type(value) in _SCALARS:  # as below, sooner
        return sys.getsizeof(value)
    if value is None:
        return 0
    nbytes = getattr(value, "nbytes", None)
    if isinstance(nbytes, int):
        return nbytes
    size = sys.getsizeof(value)
    if not depth or isinstance(value, str | bytes | bytearray | int | float):
        return size
    if isinstance(value, list | tuple):
        return size + (len(value) * value_bytes(value[0], depth - 1) if value else 0)
    if isinstance(value, Mapping):
        return size + sum(value_bytes(one, depth - 1) for one in value.values())
    own = getattr(value, "__dict__", None)
    parts = list(own.values()) if own else []
    for name in getattr(type(value), "__slots__", ()):
        parts.append(getattr(value, name, None))
    return size + sum(value_bytes(one, depth - 1) for one in parts)
