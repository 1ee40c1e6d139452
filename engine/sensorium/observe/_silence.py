"""Which streams have no events while others have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

__all__ = ["Silence"]

#: In how many checks in a row: what is read of one topic may run ahead for a moment.
_CHECKS: Final = 10


class Silence:
    """Finds streams that fall silent, and says so once.

    Parameters
    ----------
    streams
        All that should have events.
    after
        How far behind the others a stream's newest event has to lie, in ns of log time.
    """

    def __init__(self, streams: Iterable[str], after: float) -> None:
        self._after = after
        self._behind = dict.fromkeys(streams, 0)
        self._silent: set[str] = set()
        self._begin: int | None = None

    def check(self, newest: Mapping[str, int]) -> tuple[dict[str, float], list[str]]:
        """Look at all streams, once a second or so.

        Parameters
        ----------
        newest
            Per stream that has had an event, the log time of its newest, in ns.

        Returns
        -------
        silent, back
            Streams that have just fallen silent, with by how many seconds they are behind, and
            streams that were silent and are no longer.
        """
        silent: dict[str, float] = {}
        back: list[str] = []
        if not newest:
            return silent, back
        if self._begin is None:
            self._begin = min(newest.values())
        front = max(newest.values())
        for stream, checks in self._behind.items():
            behind = front - newest.get(stream, self._begin)
            self._behind[stream] = checks + 1 if behind > self._after else 0
            if self._behind[stream] >= _CHECKS and stream not in self._silent:
                self._silent.add(stream)
                silent[stream] = behind / 1e9
            elif self._behind[stream] == 0 and stream in self._silent:
                self._silent.discard(stream)
                back.append(stream)
        return silent, back
