"""What a Kafka source knows of each partition that it reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sensorium.plugin import Record, TopicPartition

__all__ = ["KafkaPlace"]

_MS: Final = 1_000_000
#: As `timestamp_type` of a record says that the broker stamped it.
_APPENDED: Final = 1


class KafkaPlace:
    """One topic-partition: its log time, and records that wait for the clock.

    Log time is the running maximum of the timestamps of the records that were given. A record that
    its producer stamped ahead of the clock waits until the clock has reached it, and what comes
    after it waits with it.
    """

    __slots__ = ("_ahead", "_newest", "_place", "until")

    def __init__(self, place: TopicPartition, until: int | None = None) -> None:
        self._place = place
        self._newest = -(2**63)
        self._ahead: list[Any] = []
        self.until = until
        """The offset whose being reached is to be told; None once it was."""

    @property
    def waits(self) -> bool:
        """Whether records wait for the clock: nothing more is fetched."""
        return bool(self._ahead)

    def give(self, fetched: Iterable[Any], now: int) -> Sequence[Record]:
        """The records that the clock has reached, in their order.

        Parameters
        ----------
        fetched
            What the client has just given.
        now
            The time in ns since the epoch.
        """
        if self._ahead:
            fetched, self._ahead = [*self._ahead, *fetched], []
        given = []
        for one in fetched:
            if self._ahead or (one.timestamp * _MS > now and one.timestamp_type != _APPENDED):
                self._ahead.append(one)
            else:
                given.append(self._record(one))
        return given

    def forget_waiting(self) -> None:
        """Drop what waits: it is fetched again."""
        self._ahead = []

    def _record(self, one: Any) -> Record:
        stamped = one.timestamp * _MS
        self._newest = max(self._newest, stamped)
        return Record(
            self._place.topic,
            self._place.partition,
            one.offset,
            one.value,
            one.key,
            {name: value or b"" for name, value in one.headers},
            None if one.timestamp_type == _APPENDED else stamped,
            self._newest,
        )
