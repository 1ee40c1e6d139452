"""Apache Kafka as a log that the commands `topics`, `dlq`, `record` and `replay` use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal

from sensorium.durations import INFINITY, Duration
from sensorium.errors import RunError
from sensorium.plugin import Log, Record, Topic, TopicRole
from sensorium_plugins._kafka import (
    MAX_REQUEST_BYTES,
    KafkaConnection,
    admin_client,
    kafka_errors,
)
from sensorium_plugins._kafka_limits import insist
from sensorium_plugins._kafka_reader import KafkaReader

__all__ = ["KafkaLog"]

_MS: Final = 1_000_000
#: Kafka writes "for ever" as the greatest number, or as -1.
_EVER: Final = 2**63 - 1
_SEGMENT_BYTES: Final = str(8 << 20)
#: The default of `message.max.bytes`.
_MESSAGE_BYTES: Final = 1_048_588


class KafkaLog(Log):
    """The topics of a cluster.

    Parameters
    ----------
    config
        How to reach it, secrets resolved.
    topics
        Those that the configuration names itself.
    """

    def __init__(
        self, config: KafkaConnection, topics: Mapping[TopicRole, str] | None = None
    ) -> None:
        super().__init__(topics or {})
        self._config = config
        self._admin: Any = None
        self._producer: Any = None
        self._sent: list[Any] = []

    def describe(self, topics: Sequence[str]) -> Mapping[str, Topic]:
        """Those of the topics that are there, with their settings.

        Brokers that restart are waited for as long as when connecting: a `run` asks this first.
        """
        admin = self._open_admin()
        wait = float(self._config.connect_timeout) / 1e9
        with kafka_errors(self._config, "describing topics"):
            return insist(partial(_describe, admin, topics), wait, "the topics", stage="run")

    def largest(self, topics: Sequence[str]) -> dict[str, int]:
        """How many bytes each topic takes as one batch; where that is not told, as of Kafka."""
        found = dict.fromkeys(topics, _MESSAGE_BYTES)
        try:
            with kafka_errors(self._config, "asking for the limits of topics"):
                for name, settings in _configs(self._open_admin(), topics).items():
                    found[name] = int(settings["max.message.bytes"])
        except (RunError, KeyError):  # it takes a right of its own to ask
            return dict.fromkeys(topics, _MESSAGE_BYTES)
        return found

    def create(self, topics: Sequence[Topic]) -> None:
        """Make topics, and wait until they have leaders."""
        if not topics:
            return
        admin = self._open_admin()
        from kafka.errors import TopicAlreadyExistsError

        # One by one: of several in one request, an error says nothing of which it was.
        for topic in topics:
            wanted = {
                topic.name: {
                    "num_partitions": topic.partitions,
                    "replication_factor": -1 if topic.replication is None else topic.replication,
                    "configs": _settings(topic),
                }
            }
            with kafka_errors(self._config, f"making the topic {topic.name}"):
                try:
                    admin.create_topics(wanted, wait_for_metadata=True)
                except TopicAlreadyExistsError:  # somebody else has made it meanwhile
                    continue

    def read(
        self, topics: Sequence[str], *, start: Literal["earliest", "latest"], follow: bool
    ) -> KafkaReader:
        """A reader of these topics, in no group."""
        return KafkaReader(self._config, topics, start=start, follow=follow)

    def fetch(self, topic: str, partition: int, offset: int) -> Record | None:
        """One record, or None if it is no longer there."""
        return KafkaReader(self._config, [topic], start="earliest", follow=False).fetch(
            partition, offset
        )

    def write(self, record: Record, *, keep_partition: bool = True) -> None:
        """Take a record; on topics that stamp records themselves, its time is not kept."""
        self._open_producer()
        time = record.arrived if record.time is None else record.time
        with kafka_errors(self._config, f"writing to the topic {record.topic}"):
            self._check_partition(record, keep_partition)
            self._sent.append(
                self._producer.send(
                    record.topic,
                    record.data,
                    record.key,
                    list(record.headers.items()),
                    record.partition if keep_partition else None,
                    None if time is None else time // _MS,
                )
            )

    def flush(self) -> None:
        """Return when all in-sync replicas have all that was taken."""
        sent, self._sent = self._sent, []
        if self._producer is None:
            return
        with kafka_errors(self._config, "writing"):
            self._producer.flush()
            for future in sent:
                future.get(timeout=0)

    def close(self) -> None:
        """Leave the brokers."""
        held, self._admin, self._producer = (self._admin, self._producer), None, None
        for client in held:
            if client is not None:
                client.close()

    def _open_admin(self) -> Any:
        if self._admin is None:
            with kafka_errors(self._config, "connecting"):
                self._admin = admin_client(self._config)
        return self._admin

    def _open_producer(self) -> None:
        if self._producer is None:
            from kafka import KafkaProducer

            settings = self._config.settings()
            with kafka_errors(self._config, "connecting"):
                self._producer = KafkaProducer(
                    **settings,
                    acks="all",
                    max_block_ms=settings["bootstrap_timeout_ms"],
                    max_request_size=MAX_REQUEST_BYTES,
                )

    def _check_partition(self, record: Record, keep: bool) -> None:
        there = self._producer.partitions_for(record.topic)
        if keep and record.partition not in there:
            raise RunError(
                f"the topic {record.topic} has {len(there)} partitions, and a record belongs in "
                f"number {record.partition}: make the topic with as many partitions as there were "
                "(`sensorium topics create PIPELINE --partitions N`)"
            )


def _describe(admin: Any, topics: Sequence[str]) -> Mapping[str, Topic]:
    there = {
        one["name"]: one["partitions"]
        for one in admin.describe_topics(list(topics))
        if not one["error_code"]
    }
    if not there:
        return {}
    settings = _configs(admin, there)
    return {name: _topic(name, parts, settings[name]) for name, parts in there.items()}


def _configs(admin: Any, topics: Iterable[str]) -> dict[str, dict[str, str]]:
    """All settings of topics, those included that nobody has set."""
    from kafka.admin import ConfigResource, ConfigResourceType

    asked = [ConfigResource(ConfigResourceType.TOPIC, name, None) for name in topics]
    told = admin.describe_configs(asked, config_filter="all")["topic"]
    return {name: {key: one["value"] for key, one in its.items()} for name, its in told.items()}


def _settings(topic: Topic) -> dict[str, str]:
    settings = {
        "message.timestamp.type": "LogAppendTime" if topic.append_time else "CreateTime",
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "retention.ms": _milliseconds(topic.retention),
        "retention.bytes": "-1" if topic.max_bytes is None else str(topic.max_bytes),
    }
    if topic.compacted:
        # It is read whole after every restart, and what is being written is never compacted: by
        # default that is up to a gigabyte.
        settings |= {"segment.bytes": _SEGMENT_BYTES, "min.cleanable.dirty.ratio": "0.1"}
    if topic.max_ahead != INFINITY:
        settings["message.timestamp.after.max.ms"] = _milliseconds(topic.max_ahead)
    return settings


def _milliseconds(duration: Duration) -> str:
    # Rounded up: what is to be kept is kept.
    return "-1" if duration == INFINITY else str(-(-int(duration) // _MS))


def _topic(name: str, partitions: Sequence[Any], settings: Mapping[str, str]) -> Topic:
    copies = min(len(one["replica_nodes"]) for one in partitions)
    if not settings:  # as who has no right to see them is told
        return Topic(name, len(partitions), copies, known=False)
    max_bytes = int(settings["retention.bytes"])
    return Topic(
        name,
        len(partitions),
        copies,
        settings["message.timestamp.type"] == "LogAppendTime",
        "compact" in settings["cleanup.policy"],
        _duration(settings["retention.ms"]),
        None if max_bytes < 0 else max_bytes,
        _duration(settings.get("message.timestamp.after.max.ms", "-1")),
    )


def _duration(milliseconds: str) -> Duration:
    number = int(milliseconds)
    return INFINITY if number < 0 or number >= _EVER else number * _MS
