"""How often the garbage collector looks for cycles while a pipeline runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["rare_collections"]

#: The default, 700, is reached with every poll: some 5% of the line's time, and nothing is found,
#: since records, events, sets and predictions form no cycles.
_OBJECTS: Final = 20_000


@contextmanager
def rare_collections() -> Iterator[None]:
    """Have cycles looked for after 20,000 new objects; what was set before is set again.

    A collector that somebody has switched off, or made rarer still, stays as it is.
    """
    before = gc.get_threshold()
    if 0 < before[0] < _OBJECTS:
        gc.set_threshold(_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
