"""What a Kafka source knows of each partition that it reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sensorium.plugin import Record
from sensorium_plugins._kafka_records import APPENDED, NS_PER_MS, record_of

__all__ = ["KafkaPlace"]


class KafkaPlace:
    """One topic-partition: its log time, and records that wait for the clock.

    Log time is the running maximum of the timestamps of the records that were given. A record that
    its producer stamped ahead of the clock waits until the clock has reached it, and what comes
    after it waits with it.
    """

    __slots__ = ("_ahead", "_newest", "until")

    def __init__(self, until: int | None = None) -> None:
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
        newest = self._newest
        for one in fetched:
            stamped = one.timestamp * NS_PER_MS
            if self._ahead or (stamped > now and one.timestamp_type != APPENDED):
                self._ahead.append(one)
                continue
            if stamped > newest:
                newest = stamped
            given.append(record_of(one, stamped, newest))
        self._newest = newest
        return given

    def forget_waiting(self) -> None:
        """Drop what waits: it is fetched again."""
        self._ahead = []
