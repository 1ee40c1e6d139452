"""Records as kafka-python gives them, as records of the engine."""

from __future__ import annotations

from typing import Any, Final

from sensorium.plugin import Record

__all__ = ["APPENDED", "NS_PER_MS", "record_of"]

NS_PER_MS: Final = 1_000_000
#: As `timestamp_type` of a record says that the broker stamped it, and not its producer.
APPENDED: Final = 1


def record_of(one: Any, stamped: int, arrived: int) -> Record:
    """What the engine takes for a record of kafka-python.

    Parameters
    ----------
    one
        A ``ConsumerRecord``, or as much of one as comes before its checksum.
    stamped
        Its timestamp, in ns since the epoch.
    arrived
        Its log time: the running maximum of its topic-partition's timestamps.
    """
    # By position, and all at once: names cost half as much again as the record does.
    topic, partition, _, offset, _, kind, key, data, headers = one[:9]
    named = {name: value or b"" for name, value in headers} if headers else {}
    time = None if kind == APPENDED else stamped
    return Record(topic, partition, offset, data, key, named, time, arrived)
