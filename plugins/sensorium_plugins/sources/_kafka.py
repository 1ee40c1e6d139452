"""The topics of the streams, read from Apache Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from sensorium.durations import INFINITY, DurationField
from sensorium.errors import RunError
from sensorium.plugin import Batch, Record, Source, TopicPartition
from sensorium_plugins._kafka import KafkaConnection, kafka_errors
from sensorium_plugins._kafka_log import KafkaLog

__all__ = ["KafkaSource", "KafkaSourceConfig"]

_MS: Final = 1_000_000
#: How often the brokers are asked where the partitions end, while nothing comes from one.
_ASK_NS: Final = 500 * _MS
#: As `timestamp_type` of a record says that the broker stamped it.
_APPENDED: Final = 1


class KafkaSourceConfig(KafkaConnection):
    """What is read, and from where on.

    Parameters
    ----------
    start
        ``earliest``: everything that the topics hold, at every start; ``latest``: what comes from
        now on.
    margin
        A partition that has been read to its end counts as read up to the clock less this
        duration. It has to exceed the difference between this clock and the brokers' (on topics
        whose producers stamp the records: the longest delay in sending).
    """

    start: Literal["earliest", "latest"]
    margin: DurationField = Field(default=1_000_000_000, ge=0, lt=INFINITY)


class KafkaSource(Source):
    """Every partition of the streams' topics, read by this one process.

    Log time is the running maximum of a partition's timestamps. Only what committed transactions
    wrote is read. No offsets are committed: a restart begins at `start` again.

    Parameters
    ----------
    config
        A `KafkaSourceConfig`.
    topics
        Read whole; they have to have equal numbers of partitions.
    clock
        Gives the time in ns since the epoch.
    """

    name: ClassVar[str] = "kafka"
    Config: ClassVar[type[KafkaSourceConfig]] = KafkaSourceConfig
    local: ClassVar[bool] = False

    def __init__(
        self,
        config: KafkaSourceConfig,
        topics: Sequence[str],
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(config, topics)
        self._clock = clock
        self._consumer: Any = None
        self._log_times: dict[TopicPartition, int] = {}
        self._asked = 0
        self._known_ends: dict[TopicPartition, int] = {}

    @classmethod
    def open_log(cls, config: KafkaSourceConfig) -> KafkaLog:
        """The cluster, for the commands `topics`, `record` and `replay`."""
        return KafkaLog(config)

    def partitions(self) -> Sequence[int]:
        """The partition numbers of the topics.

        Raises
        ------
        RunError
            If the brokers cannot be reached, a topic is not there, or the topics differ in their
            number of partitions: a key's streams could then never meet.
        """
        self._open()
        return sorted({place.partition for place in self._log_times})

    def poll(self, limit: int, timeout: float) -> Batch:
        """Give the next records.

        Raises
        ------
        RunError
            As `partitions`, or if reading fails for good.
        """
        self._open()
        with kafka_errors(self.config, "reading"):
            found = self._consumer.poll(timeout_ms=round(timeout * 1000), max_records=limit)
        records = [self._record(one) for those in found.values() for one in those]
        return Batch(records, self._progress({TopicPartition(*place[:2]) for place in found}))

    def lag(self) -> dict[TopicPartition, int]:
        """How many records lie between what has been given and the end."""
        if self._consumer is None:
            return {}
        lag = {}
        for place in self._consumer.assignment():
            own = TopicPartition(*place[:2])
            ends = (self._consumer.highwater(place), self._known_ends.get(own))
            known = [end for end in ends if end is not None]
            position = self._consumer.position(place, timeout_ms=0) if known else None
            if position is not None:
                lag[own] = max(max(known) - position, 0)
        return lag

    def close(self) -> None:
        """Leave the brokers."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _open(self) -> None:
        if self._consumer is not None:
            return
        from kafka import KafkaConsumer
        from kafka import TopicPartition as Place

        with kafka_errors(self.config, "connecting"):
            consumer = KafkaConsumer(
                **self.config.settings(),
                enable_auto_commit=False,
                isolation_level="read_committed",
                auto_offset_reset=self.config.start,
            )
        try:
            with kafka_errors(self.config, "listing partitions"):
                counts = {
                    topic: sorted(consumer.partitions_for_topic(topic) or ())
                    for topic in self.topics
                }
            self._check(counts)
            places = [Place(topic, number) for topic, them in counts.items() for number in them]
            with kafka_errors(self.config, "finding where to begin"):
                consumer.assign(places)
                if self.config.start == "earliest":
                    consumer.seek_to_beginning(*places)
                else:
                    # Now, and not with the first poll: what comes in between is read.
                    for place, offset in consumer.end_offsets(places).items():
                        consumer.seek(place, offset)
        except BaseException:
            consumer.close()
            raise
        self._consumer = consumer
        self._log_times = {TopicPartition(*place[:2]): -(2**63) for place in places}

    def _check(self, counts: dict[str, list[int]]) -> None:
        missing = [topic for topic, numbers in counts.items() if not numbers]
        if missing:
            raise RunError(
                f"Kafka at {self.config.bootstrap_servers}: there is no topic "
                f"{', '.join(missing)}; create it, or correct the stream's `topic`"
            )
        if len({len(numbers) for numbers in counts.values()}) > 1:
            said = ", ".join(f"{topic} {len(numbers)}" for topic, numbers in counts.items())
            raise RunError(
                f"streams that are aligned need topics with equal numbers of partitions; there "
                f"are {said}"
            )

    def _record(self, one: Any) -> Record:
        place = TopicPartition(one.topic, one.partition)
        stamped = one.timestamp * _MS
        arrived = self._log_times[place] = max(self._log_times[place], stamped)
        return Record(
            one.topic,
            one.partition,
            one.offset,
            one.value,
            one.key,
            {name: value or b"" for name, value in one.headers},
            None if one.timestamp_type == _APPENDED else stamped,
            arrived,
        )

    def _progress(self, busy: set[TopicPartition]) -> dict[TopicPartition, int]:
        """How far the partitions count as read that gave nothing, because nothing is there."""
        quiet = [place for place in self._log_times if place not in busy]
        now = self._clock()  # before the brokers are asked: what they have by then was looked at
        if not quiet or now - self._asked < _ASK_NS:
            return {}
        self._asked = now
        from kafka import TopicPartition as Place

        with kafka_errors(self.config, "asking for the end of partitions"):
            ends = self._consumer.end_offsets([Place(*place) for place in quiet])
            self._known_ends.update({TopicPartition(*it[:2]): end for it, end in ends.items()})
            return {
                TopicPartition(*place[:2]): now - int(self.config.margin)
                for place, end in ends.items()
                if self._consumer.position(place) >= end
            }
