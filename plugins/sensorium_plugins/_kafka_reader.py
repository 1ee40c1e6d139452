"""Topics of Apache Kafka, read by a command: in no group, and without committing anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, Literal

from sensorium.errors import RunError
from sensorium.plugin import Batch, Record, Source, TopicPartition
from sensorium_plugins._kafka import KafkaConnection, kafka_errors
from sensorium_plugins._kafka_batches import read_in_batches
from sensorium_plugins._kafka_records import NS_PER_MS, record_of

__all__ = ["KafkaReader"]

#: A partition at its end counts as read up to the clock less this, in ns.
_MARGIN: Final = 1_000_000_000
_FETCH_SECONDS: Final = 30.0


class KafkaReader(Source):
    """All partitions of some topics, whose numbers need not be equal.

    Only what committed transactions wrote is read. Log time is the running maximum of a
    partition's timestamps.

    Parameters
    ----------
    config
        How to reach the brokers.
    topics
        Read whole.
    start
        Where to begin.
    follow
        Whether to go on for ever; else it ends with what was there when it was opened.
    clock
        Gives the time in ns since the epoch.
    """

    name: ClassVar[str] = "kafka-reader"
    local: ClassVar[bool] = False

    def __init__(
        self,
        config: KafkaConnection,
        topics: Sequence[str],
        *,
        start: Literal["earliest", "latest"],
        follow: bool,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(config, topics)
        self._start = start
        self._follow = follow
        self._clock = clock
        self._consumer: Any = None
        self._log_times: dict[TopicPartition, int] = {}
        #: The ends when it was opened, of the partitions that have not reached them.
        self._ahead: dict[Any, int] = {}

    def partitions(self) -> Sequence[int]:
        """The partition numbers of the topics.

        Raises
        ------
        RunError
            If the brokers cannot be reached or a topic is not there.
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
        if not self._follow and self._reached():
            return Batch(ended=True)
        now = self._clock()  # before the brokers are asked
        with kafka_errors(self.config, "reading"):
            found = self._consumer.poll(timeout_ms=round(timeout * 1000), max_records=limit)
            records = [self._record(one) for those in found.values() for one in those]
            if not self._follow:
                return Batch(records, ended=self._reached())
            return Batch(records, {} if records else self._at_end(now))

    def fetch(self, partition: int, offset: int) -> Record | None:
        """One record of the only topic, or None if it is no longer there."""
        from kafka import TopicPartition as Place

        self._open()
        place = Place(self.topics[0], partition)
        try:
            if TopicPartition(self.topics[0], partition) not in self._log_times:
                return None
            with kafka_errors(self.config, "reading one record"):
                first = self._consumer.beginning_offsets([place])[place]
                end = self._consumer.end_offsets([place])[place]
                if not first <= offset < end:
                    return None
                self._consumer.assign([place])
                self._consumer.seek(place, offset)
                until = time.monotonic() + _FETCH_SECONDS
                while self._consumer.position(place) <= offset:
                    for one in self._consumer.poll(timeout_ms=200, max_records=1).get(place, ()):
                        return self._record(one) if one.offset == offset else None
                    if time.monotonic() > until:
                        raise RunError(
                            f"Kafka at {self.config.bootstrap_servers} did not give "
                            f"{self.topics[0]}[{partition}]@{offset} within {_FETCH_SECONDS:g} s; "
                            "try again"
                        )
            return None
        finally:
            self.close()

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
                auto_offset_reset="earliest",
            )
        read_in_batches(consumer)
        try:
            places = []
            for topic in self.topics:
                places += [Place(topic, number) for number in self._numbers(consumer, topic)]
            with kafka_errors(self.config, "finding where to begin"):
                consumer.assign(places)
                ends = consumer.end_offsets(places)
                begins = consumer.beginning_offsets(places) if self._start == "earliest" else ends
                for place in places:
                    consumer.seek(place, begins[place])
        except BaseException:
            consumer.close()
            raise
        self._consumer = consumer
        self._ahead = {place: ends[place] for place in places if ends[place] > begins[place]}
        self._log_times = {TopicPartition(*place[:2]): -(2**63) for place in places}

    def _numbers(self, consumer: Any, topic: str) -> list[int]:
        with kafka_errors(self.config, f"listing the partitions of {topic}"):
            numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            raise RunError(
                f"Kafka at {self.config.bootstrap_servers}: there is no topic {topic}; make it "
                "with `sensorium topics create PIPELINE`"
            )
        return sorted(numbers)

    def _reached(self) -> bool:
        """Whether all that was there at the start has been read."""
        for place, end in list(self._ahead.items()):
            if self._consumer.position(place) >= end:
                del self._ahead[place]
                self._consumer.pause(place)
        return not self._ahead

    def _at_end(self, now: int) -> dict[TopicPartition, int]:
        from kafka import TopicPartition as Place

        ends = self._consumer.end_offsets([Place(*place) for place in self._log_times])
        return {
            TopicPartition(*place[:2]): now - _MARGIN
            for place, end in ends.items()
            if self._consumer.position(place) >= end
        }

    def _record(self, one: Any) -> Record:
        place = TopicPartition(one.topic, one.partition)
        stamped = one.timestamp * NS_PER_MS
        arrived = self._log_times[place] = max(self._log_times[place], stamped)
        return record_of(one, stamped, arrived)
