"""A log of topics, for the commands that make topics, read them back and write to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from sensorium.durations import INFINITY, Duration
from sensorium.plugin._source import Record, Source

__all__ = ["Log", "Logged", "Topic", "TopicRole"]

#: What a sink writes to a topic.
TopicRole: TypeAlias = Literal["predictions", "dead_letters", "carry"]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic, as it is to be made or as it is there.

    Parameters
    ----------
    name
        Its name.
    partitions
        How many partitions it has.
    replication
        How many copies there are of each; None to leave it to the log.
    append_time
        Whether the log stamps the records; else their producers do.
    compacted
        Whether only the newest record of a key is kept.
    retention
        How long a record is kept, in ns.
    max_bytes
        How much of a partition is kept; None for all.
    max_ahead
        How far ahead of the log's clock a producer may stamp a record, in ns.
    known
        Whether what stands after `replication` is told of a topic that is there: it may take a
        right of its own to ask.
    """

    name: str
    partitions: int
    replication: int | None = None
    append_time: bool = True
    compacted: bool = False
    retention: Duration = INFINITY
    max_bytes: int | None = None
    max_ahead: Duration = INFINITY
    known: bool = True


class Log(ABC):
    """A log of topics, opened for a command; one thread calls it.

    Every method raises `RunError` where the log fails for good.

    Parameters
    ----------
    topics
        The topics that the configuration names itself, as a sink's; those of streams are not
        among them.
    """

    def __init__(self, topics: Mapping[TopicRole, str]) -> None:
        self.topics = topics

    @abstractmethod
    def describe(self, topics: Sequence[str]) -> Mapping[str, Topic]:
        """Those of the topics that are there."""

    @abstractmethod
    def create(self, topics: Sequence[Topic]) -> None:
        """Make topics that are not there yet, and return when they can be used."""

    @abstractmethod
    def read(
        self, topics: Sequence[str], *, start: Literal["earliest", "latest"], follow: bool
    ) -> Source:
        """A source of these topics alone, in no group and without a trace in the log.

        With `follow` it goes on for ever; else it has ended (`Batch.ended`) when it has given
        what was there when it began.
        """

    @abstractmethod
    def fetch(self, topic: str, partition: int, offset: int) -> Record | None:
        """One record, or None if it is no longer there."""

    @abstractmethod
    def write(self, record: Record, *, keep_partition: bool = True) -> None:
        """Take a record with its key, headers and time; it is safe after the next `flush`.

        Its partition is its own, or, without `keep_partition`, the one that producers would choose
        by its key.
        """

    @abstractmethod
    def flush(self) -> None:
        """Return when all that was taken is safe."""

    @abstractmethod
    def close(self) -> None:
        """Free what is held, without a flush; may be called twice."""


@runtime_checkable
class Logged(Protocol):
    """A source or sink class whose topics are in a log that commands can use."""

    @classmethod
    def open_log(cls, config: Any) -> Log:
        """The log of a configuration."""
        ...
