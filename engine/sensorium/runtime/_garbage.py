"""How often the garbage collector looks for cycles while a pipeline runs, and where."""

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
    """Have cycles looked for after 20,000 new objects, and not among those that are there already;
    afterwards all is as before.

    Modules and models are most of what a process holds. To walk them takes 40 ms, 125 ms with torch
    and 190 ms with Ray, in which nothing is read or written. A collector that somebody has switched
    off or made rarer still stays as it is, and so does what somebody has frozen.
    """
    before = gc.get_threshold()
    if 0 < before[0] < _OBJECTS:
        gc.set_threshold(_OBJECTS, *before[1:])
    freezes = not gc.get_freeze_count()
    if freezes:
        gc.freeze()
    try:
        yield
    finally:
        if freezes:
            gc.unfreeze()
        gc.set_threshold(*before)
