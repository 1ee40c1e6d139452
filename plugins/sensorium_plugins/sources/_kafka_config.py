"""What is read from Kafka, and from where on."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from pydantic import Field, field_validator, model_validator

from sensorium.durations import INFINITY, DurationField
from sensorium_plugins._kafka import KafkaConnection

__all__ = ["KafkaSourceConfig"]

_MS: Final = 1_000_000
_SECOND: Final = 1_000 * _MS


class KafkaSourceConfig(KafkaConnection):
    """What is read, and from where on.

    Parameters
    ----------
    start
        ``earliest``: everything that the topics hold; ``latest``: what comes from now on; or a time
        with its zone, as ``2026-11-25T08:00:00Z``. Where the group has a stored cut, that is where
        it goes on.
    group
        The consumer group whose members share the partition numbers out, and whose offsets hold the
        cuts. Without one, this process reads everything, and stores nothing.
    group_instance_id
        Names this member of the group, so that it is the same after a restart: then a short absence
        moves no partitions.
    session_timeout
        How long the group waits for a silent member; the sink's ``transaction_timeout`` should not
        be longer.
    max_poll_interval
        How long this member may not ask for records before it gives its partitions back.
    margin
        A partition that has been read to its end counts as read up to the clock less this
        duration. It has to exceed the difference between this clock and the brokers' (on topics
        whose producers stamp the records: the longest delay in sending).
    """

    start: Literal["earliest", "latest"] | str
    group: str | None = Field(default=None, min_length=1)
    group_instance_id: str | None = Field(default=None, min_length=1)
    session_timeout: DurationField = Field(default=15 * _SECOND, ge=_SECOND, lt=INFINITY)
    max_poll_interval: DurationField = Field(default=300 * _SECOND, ge=_SECOND, lt=INFINITY)
    margin: DurationField = Field(default=_SECOND, ge=0, lt=INFINITY)

    @field_validator("start")
    @classmethod
    def _start_is_known(cls, start: str) -> str:
        if start not in ("earliest", "latest"):
            try:
                zone = datetime.fromisoformat(start).tzinfo
            except ValueError:
                zone = None
            if zone is None:
                raise ValueError(
                    "start is earliest, latest, or a time with its zone, as 2026-11-25T08:00:00Z"
                )
        return start

    @model_validator(mode="after")
    def _group_is_whole(self) -> KafkaSourceConfig:
        if self.group_instance_id is not None and self.group is None:
            raise ValueError("group_instance_id has no use without group")
        if self.max_poll_interval < self.session_timeout:
            raise ValueError("max_poll_interval is shorter than session_timeout")
        return self

    @property
    def start_ns(self) -> int | None:
        """The time to start at, in ns since the epoch; None for ``earliest`` and ``latest``."""
        if self.start in ("earliest", "latest"):
            return None
        return int(datetime.fromisoformat(self.start).timestamp() * 1_000) * _MS
