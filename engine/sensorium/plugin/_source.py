"""A source: where raw records come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sensorium.durations import INFINITY, Duration
from sensorium.plugin._cut import Assignee, Cut, TopicPartition
from sensorium.plugin._plugin import API_VERSION, PluginConfig
from sensorium.sealed import sealed

__all__ = ["Batch", "Record", "Source"]


@sealed
@dataclass(frozen=True, slots=True)
class Record:
    """A raw record, as the log holds it.

    Parameters
    ----------
    topic, partition, offset
        Its coordinates. A source without topics gives one name for all.
    data
        The bytes of the value, or None for a tombstone.
    key
        The bytes of the key.
    headers
        Transport headers.
    time
        Event time as far as the transport knows it, in ns since the epoch; the envelope's wins.
    arrived
        Log time in ns since the epoch, or None for a live source (the clock decides).
    """

    topic: str
    partition: int
    offset: int
    data: bytes | None
    key: bytes | None = None
    headers: Mapping[str, bytes] = field(default_factory=dict)
    time: int | None = None
    arrived: int | None = None

    @property
    def origin(self) -> str:
        """``topic/partition/offset``."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Batch:
    """What one poll gave.

    Parameters
    ----------
    records
        In log order per topic-partition.
    progress
        Per topic-partition without records that is known to have been read up to a log time
        (ns since the epoch), that log time.
    ended
        Whether the source has nothing more, ever.
    positions
        Per topic-partition that has been read further than its last record says (what lies there
        was aborted, or is gone), the offset that is read next.
    ahead
        In log order per topic-partition, records that the cuts of `Assignee.foreseen` cover.
    """

    records: Sequence[Record] = ()
    progress: Mapping[TopicPartition, int] = field(default_factory=dict)
    ended: bool = False
    positions: Mapping[TopicPartition, int] = field(default_factory=dict)
    ahead: Sequence[Record] = ()


class Source(ABC):
    """Reads raw records.

    Parameters
    ----------
    config
        The pipeline's ``source`` without ``plugin``, as a `Config`.
    topics
        The topics that the pipeline's streams are read from.
    """

    name: ClassVar[str]
    """The name in the pipeline file, as ``kafka``."""
    api: ClassVar[int] = API_VERSION
    """The plugin API that the class was written for."""
    Config: ClassVar[type[PluginConfig]] = PluginConfig
    """The model of the configuration; strict."""
    local: ClassVar[bool] = True
    """Whether it can only be read on one machine (a file, standard input)."""

    def __init__(self, config: Any, topics: Sequence[str]) -> None:
        self.config = config
        self.topics = topics

    @abstractmethod
    def partitions(self) -> Sequence[int]:
        """The partition numbers that it holds now."""

    @abstractmethod
    def poll(self, limit: int, timeout: float) -> Batch:
        """Give up to `limit` records, waiting up to `timeout` seconds for the first.

        Raises
        ------
        RunError
            If the source fails for good.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop reading and free what is held; may be called twice."""

    def pause(self, places: Collection[TopicPartition]) -> bool:
        """From now on give no records of these, and of all others.

        Polling goes on meanwhile.

        Returns
        -------
        bool
            Whether the source can do that; one that cannot is not polled instead.
        """
        return False

    def lag(self) -> Mapping[TopicPartition, int]:
        """How many records of each lie between what it has given and the end, as far as is known.

        Called about once a second; it does not wait.
        """
        return {}

    # What follows is for a source that keeps cuts; the others need none of it.

    @property
    def keeps_cuts(self) -> bool:
        """Whether it stores cuts and shares its partition numbers out among processes."""
        return False

    @property
    def member(self) -> str:
        """What tells this process from the others of its group: the same at every start of the
        same member, or new at every start."""
        raise NotImplementedError

    @property
    def single(self) -> bool:
        """Whether its configuration names the process: only one at a time can read by it."""
        return False

    @property
    def max_poll_interval(self) -> Duration:
        """The longest time between two polls, in ns: of a process that takes longer it gives the
        partition numbers to others. Infinite where it does not."""
        return INFINITY

    def join(self, assignee: Assignee) -> None:
        """From now on tell `assignee`, within `poll`, which partition numbers are its own."""
        raise NotImplementedError

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read on from these offsets; called within `Assignee.assigned`."""
        raise NotImplementedError

    def seek_to_time(self, times: Mapping[int, int]) -> None:
        """Read these partition numbers on from the first record of at least that log time, in ns
        since the epoch; called within `Assignee.assigned`."""
        raise NotImplementedError

    def commit(self, cuts: Mapping[int, Cut]) -> None:
        """Store the cuts of partition numbers; what they cover has been written.

        Raises
        ------
        CommitError
            If they are not stored, or it is not known whether they are.
        """
        raise NotImplementedError

    def confirm(self, numbers: Collection[int]) -> None:  # noqa: B027 - most know what they tell
        """Make sure that what `Assignee.assigned` was told of these partition numbers is so; called
        before cuts are committed in a transaction.

        For a log whose answers may be old at the moment of a failure: what such an answer has
        begun would be given again.

        Raises
        ------
        CommitError
            If it is not so, or cannot be told: then nothing is written, and `rewind` follows.
        """

    def rewind(self) -> None:
        """Go back to the stored cuts of everything assigned, and tell the assignee."""
        raise NotImplementedError

    def membership(self) -> Any:
        """What a transactional sink needs so that cuts of a process that has been replaced are
        refused; as of the moment when the partition numbers were assigned, for what is known since
        may be that nobody is a member any more."""
        return None
