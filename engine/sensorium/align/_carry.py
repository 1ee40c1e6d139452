"""What a restart needs to know of each key besides the log."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from sensorium.durations import INFINITY, Duration
from sensorium.errors import AlignmentError
from sensorium.plugin import Matcher

__all__ = ["Carry"]


class Carry:
    """The newest `Matcher.carry` per key, and what has changed since it was last stored.

    A key is dropped once the log has moved on so far that nothing of it will be read again.

    Parameters
    ----------
    horizon
        That of the policy over its streams, in ns.
    """

    __slots__ = ("_changed", "_known", "_span")

    def __init__(self, horizon: Duration) -> None:
        # A restart reads from one horizon before the least log time; what was logged there has
        # times that lie behind it by less than another one.
        self._span = 2 * horizon
        #: What is stored, and the greatest log time when it was; the oldest first.
        self._known: OrderedDict[str, tuple[Any, Duration]] = OrderedDict()
        #: What has to be stored; None where the key is to be dropped.
        self._changed: dict[str, Any] = {}

    @property
    def keys(self) -> int:
        """Of how many keys something is stored."""
        return len(self._known)

    def load(self, known: Mapping[str, Any], void: Iterable[str] = ()) -> None:
        """Go on from what is stored.

        Parameters
        ----------
        known
            By key.
        void
            Keys of which something is stored that no longer holds.
        """
        # When it was stored is not known; infinity stands for it until something is stored next.
        self._known = OrderedDict((name, (carried, INFINITY)) for name, carried in known.items())
        self._changed = dict.fromkeys(void)

    def start(self, name: str, matcher: Matcher) -> None:
        """Have a new matcher of a key stand where an earlier one stood.

        Raises
        ------
        AlignmentError
            If the matcher makes nothing of what is carried.
        """
        carried = self._changed.get(name)
        if carried is None and name not in self._changed and name in self._known:
            carried = self._known[name][0]
        if carried is None:
            return
        try:
            matcher.resume(carried)
        except Exception as error:  # whatever a plugin of another version makes of it
            raise AlignmentError(
                f"the policy cannot go on from what is carried of the key {name!r} "
                f"({type(error).__name__}: {error}): another version of it has written that. Run "
                "that version, or begin anew with another `group`"
            ) from error

    def note(self, name: str, matcher: Matcher) -> None:
        """Note where a key's matcher stands."""
        if (carried := matcher.carry()) is not None:
            self._changed[name] = carried

    def drop(self, name: str) -> None:
        """Forget a key."""
        if name in self._known or name in self._changed:
            self._changed[name] = None

    def take(self, least: Duration, newest: Duration) -> dict[str, Any]:
        """What has to be stored with a cut; None where a key is to be dropped.

        Parameters
        ----------
        least, newest
            The least and the greatest log time over the streams.
        """
        known = self._known
        for name, (carried, noted) in known.items():
            if noted != INFINITY:
                break
            known[name] = (carried, newest)
        changed, self._changed = self._changed, {}
        found: dict[str, Any] = {}
        for name, carried in changed.items():
            before = known.get(name)
            if before is not None and before[0] == carried:
                continue
            found[name] = carried
            known.pop(name, None)
            if carried is not None:
                known[name] = (carried, newest)
        while known and (first := next(iter(known.items())))[1][1] + self._span < least:
            del known[first[0]]
            found[first[0]] = None
        return found
