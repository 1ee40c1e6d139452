"""What has been handed back already, by a replica that has died since."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

__all__ = ["RECENT", "Seen"]

#: How many identities are enough where a successor goes on from the committed cut: it repeats what
#: one commit interval and the work in flight hold, seldom more than some ten thousand.
RECENT: Final = 200_000


class Seen:
    """Remembers identities.

    Parameters
    ----------
    most
        How many of the newest; None for all, where a successor begins at the beginning.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._seen: OrderedDict[Hashable, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def first(self, identity: Hashable) -> bool:
        """Whether it is seen for the first time."""
        if identity in self._seen:
            return False
        self._seen[identity] = None
        if self._most is not None and len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return True
