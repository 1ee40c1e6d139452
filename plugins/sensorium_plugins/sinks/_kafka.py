"""Predictions and dead letters, written to topics of Apache Kafka."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar, Final, Literal

from pydantic import Field, model_validator

from sensorium.durations import INFINITY, DurationField
from sensorium.errors import CommitError
from sensorium.events import DeadLetter, Prediction
from sensorium.plugin import Cut, Sink, TopicRole
from sensorium.wire import prediction_json
from sensorium_plugins._kafka import (
    MAX_REQUEST_BYTES,
    KafkaConnection,
    is_lasting,
    kafka_errors,
    run_error,
)
from sensorium_plugins._kafka_limits import insist, within
from sensorium_plugins._kafka_log import KafkaLog
from sensorium_plugins._kafka_partitioner import key_partitioner
from sensorium_plugins._kafka_sending import enlarge_batches, send_alike
from sensorium_plugins.sinks._kafka_carry import read_carried
from sensorium_plugins.sinks._kafka_letters import message_of

__all__ = ["KafkaSink", "KafkaSinkConfig"]

_JSON: Final = [("content-type", b"application/json")]


class KafkaSinkConfig(KafkaConnection):
    """Where predictions and dead letters go; the topics have to exist.

    Parameters
    ----------
    topic
        Of the predictions, as JSON, with the entity's key.
    dead_letters
        Of the dead letters: the original bytes, with what happened in the headers.
    carry
        With ``align.policy: approximate`` in a group, the topic that keeps, per key, what a restart
        needs besides the log: compacted, with as many partitions as the streams' topics, and read
        and written by this pipeline alone.
    compression
        Of what is written. What is read may have been compressed in any of these ways.
    transaction_timeout
        With ``delivery: exactly_once``, how long the brokers keep open what a process that has died
        was writing; until then nobody goes on in its place. At most the source's
        ``session_timeout``.
    """

    topic: str = Field(min_length=1)
    dead_letters: str = Field(min_length=1)
    carry: str | None = Field(default=None, min_length=1)
    compression: Literal["gzip", "snappy", "lz4", "zstd"] | None = None
    transaction_timeout: DurationField = Field(
        default=10_000_000_000, ge=1_000_000_000, lt=INFINITY
    )

    @model_validator(mode="after")
    def _different_topics(self) -> KafkaSinkConfig:
        if self.topic == self.dead_letters:
            raise ValueError("topic and dead_letters name the same topic; use two")
        if self.carry in (self.topic, self.dead_letters):
            raise ValueError("carry names a topic that other things are written to; use another")
        return self


class KafkaSink(Sink):
    """Writes with the idempotent producer and waits, in `flush`, for all in-sync replicas.

    After `begin` it writes in transactions, each of which ends with the cuts that it covers.

    Parameters
    ----------
    config
        A `KafkaSinkConfig`.
    """

    name: ClassVar[str] = "kafka"
    Config: ClassVar[type[KafkaSinkConfig]] = KafkaSinkConfig

    def __init__(self, config: KafkaSinkConfig) -> None:
        super().__init__(config)
        self._producer: Any = None
        self._sent: list[Any] = []
        #: The name under which transactions are made, once begun.
        self._transactional_id: str | None = None
        self._in_transaction = False
        #: What went wrong in the transaction, which therefore cannot be committed.
        self._broken: Exception | None = None

    @classmethod
    def open_log(cls, config: KafkaSinkConfig) -> KafkaLog:
        """The cluster, for the commands `topics` and `dlq`."""
        topics: dict[TopicRole, str] = {
            "predictions": config.topic,
            "dead_letters": config.dead_letters,
        }
        if config.carry is not None:
            topics["carry"] = config.carry
        return KafkaLog(config, topics)

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Take predictions.

        Raises
        ------
        RunError
            If the brokers cannot be reached or the topic is not there.
        """
        topic = self.config.topic
        written = [(_bytes(one.key), prediction_json(one).encode()) for one in predictions]
        if written:
            self._send(topic, lambda producer: send_alike(producer, topic, written, _JSON))

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Take dead letters.

        Raises
        ------
        RunError
            As `write`.
        """
        topic = self.config.dead_letters
        if letters:
            self._send(
                topic,
                lambda producer: (
                    producer.send(topic, *message_of(one, self._limits[topic])) for one in letters
                ),
            )

    def flush(self) -> None:
        """Return when the brokers have it all.

        Raises
        ------
        RunError
            If a record was not taken; it is not known which of those since the last flush were.
        """
        if self._producer is not None:
            with kafka_errors(self.config, "writing"):
                self._flush()

    def close(self) -> None:
        """Flush, or take back an open transaction, and leave the brokers."""
        try:
            if self._transactional_id is None:
                self.flush()
        finally:
            producer, self._producer = self._producer, None
            if producer is not None and self._in_transaction:
                _discard(producer)
            elif producer is not None:
                producer.close()

    # With delivery: exactly_once.

    @property
    def transactional(self) -> bool:
        """It can commit cuts with what it writes."""
        return True

    def begin(self, member: str) -> None:
        """Write in transactions from now on, and end those of an earlier process of this name.

        Raises
        ------
        RunError
            If the brokers cannot be reached, refuse it, or a topic is not there.
        """
        self._transactional_id = f"sensorium-{self.config.topic}-{member}"
        with kafka_errors(self.config, "opening transactions"):
            self._open()
            for topic in (self.config.topic, self.config.dead_letters, self.config.carry):
                if topic is not None:
                    self._producer.partitions_for(topic)

    def commit(self, cuts: Mapping[int, Cut], membership: Any) -> None:
        """End the transaction with the cuts as the group's offsets.

        Raises
        ------
        CommitError
            If anything of it failed, or it is not known whether it did.
        RunError
            If it would fail again: a right is missing, or a message is too large.
        """
        from kafka.errors import KafkaError

        from sensorium_plugins._kafka_offsets import is_nobody, offsets_of

        if is_nobody(membership):
            raise CommitError(
                f"this member has been expelled from its group, so the cuts of {sorted(cuts)} are "
                "somebody else's to commit"
            )
        try:
            if self._broken is not None:
                raise self._broken
            self._open_transaction()
            sent, self._sent = self._sent, []
            end = partial(_end_transaction, self._producer, sent, offsets_of(cuts), membership)
            within(self._longest_commit, end, "ending the transaction")
            self._in_transaction = False
        except KafkaError as error:
            if is_lasting(error):
                raise run_error(self.config, "committing a transaction", error) from error
            raise CommitError(
                f"Kafka at {self.config.bootstrap_servers} did not commit the transaction with the "
                f"cuts of {sorted(cuts)} ({type(error).__name__}: {error})"
            ) from error

    def abort(self) -> None:
        """Take back the transaction.

        The producer is replaced: after an error it may keep offsets for its next transaction. The
        new one ends what the old one left open, whichever way that was going.

        Raises
        ------
        RunError
            If the brokers cannot be reached.
        """
        producer, self._producer = self._producer, None
        self._sent, self._in_transaction, self._broken = [], False, None
        if producer is not None:
            _discard(producer)
        with kafka_errors(self.config, "taking back a transaction"):
            insist(self._open, what="a producer for new transactions", stage="emit")

    @property
    def carries(self) -> bool:
        """It keeps notes where it has a topic for them."""
        return self.config.carry is not None

    def carry(self, number: int, notes: Mapping[str, bytes | None]) -> None:
        """Write notes into the partition of that number, as part of the transaction.

        Raises
        ------
        RunError
            As `write`.
        """
        topic = self.config.carry
        assert topic is not None
        named = [(note, _bytes(name)) for name, note in notes.items()]
        if named:
            self._send(
                topic, lambda producer: (producer.send(topic, *one, [], number) for one in named)
            )

    def carried(self, numbers: Collection[int]) -> dict[int, dict[str, bytes]]:
        """Read the notes.

        Raises
        ------
        RunError
            If the brokers do not give them, or there is no partition of one of the numbers.
        """
        assert self.config.carry is not None
        return read_carried(self.config, self.config.carry, numbers, self._longest_commit)

    @property
    def _longest_commit(self) -> float:
        """In seconds: an outage as long as is waited for at the start, and after it the longest
        that the brokers keep a transaction open."""
        return float(self.config.connect_timeout + self.config.transaction_timeout) / 1e9

    @cached_property
    def _limits(self) -> dict[str, int]:
        """How many bytes each topic takes as one batch."""
        log = self.open_log(self.config)
        try:
            return log.largest(list(log.topics.values()))
        finally:
            log.close()

    def _open(self) -> None:
        if self._producer is not None:
            return
        from kafka import KafkaProducer
        from kafka.errors import KafkaError

        settings = self.config.settings()
        settings["max_block_ms"] = settings["bootstrap_timeout_ms"]
        if self._transactional_id is not None:
            settings["transactional_id"] = self._transactional_id
            settings["transaction_timeout_ms"] = int(self.config.transaction_timeout) // 1_000_000
        settings |= {"acks": "all", "partitioner": key_partitioner()}
        settings["compression_type"] = self.config.compression
        # How large a message may be, its topic says.
        settings["max_request_size"] = MAX_REQUEST_BYTES
        producer = KafkaProducer(**settings)
        if self._transactional_id is not None:
            try:
                producer.init_transactions()
            except KafkaError:
                _discard(producer)
                raise
        # Only now: it is known that the brokers can be reached.
        enlarge_batches(producer, min(self._limits.values()))
        self._producer = producer

    def _open_transaction(self) -> None:
        if self._transactional_id is not None and not self._in_transaction:
            self._producer.begin_transaction()
            self._in_transaction = True

    def _flush(self) -> None:
        sent, self._sent = self._sent, []
        _flush(self._producer, sent)

    def _send(self, topic: str, send: Callable[[Any], Iterable[Any]]) -> None:
        """Give messages to the producer; `send` gives their futures."""
        from kafka.errors import KafkaError

        if self._broken is not None:
            return
        with kafka_errors(self.config, f"writing to the topic {topic}"):
            try:
                self._open()
                self._open_transaction()
                self._sent.extend(send(self._producer))
            except KafkaError as error:
                if self._transactional_id is None:
                    raise
                self._broken = error  # told when the transaction is to be committed


def _bytes(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _flush(producer: Any, sent: Sequence[Any]) -> None:
    producer.flush()
    for future in sent:
        if not future.succeeded():
            future.get(timeout=0)


def _end_transaction(producer: Any, sent: Sequence[Any], offsets: Any, membership: Any) -> None:
    # The sink is not asked: by the time that an answer comes, it may have another producer.
    _flush(producer, sent)
    producer.send_offsets_to_transaction(offsets, membership)
    producer.commit_transaction()


def _discard(producer: Any) -> None:
    """Close a producer without waiting for what it still has to do."""
    try:
        producer.close(timeout=0)
    except Exception:  # whatever state it is in, another takes its place
        # It gives up closing where there is something left, and its thread would go on.
        producer._sender.force_close()
