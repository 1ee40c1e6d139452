"""Predictions and dead letters, written to topics of Apache Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field, model_validator

from sensorium.events import DeadLetter, Prediction
from sensorium.plugin import Sink
from sensorium.wire import dead_letter_headers, prediction_json
from sensorium_plugins._kafka import KafkaConnection, kafka_errors
from sensorium_plugins._kafka_log import KafkaLog

__all__ = ["KafkaSink", "KafkaSinkConfig"]


class KafkaSinkConfig(KafkaConnection):
    """Where predictions and dead letters go; the topics have to exist.

    Parameters
    ----------
    topic
        Of the predictions, as JSON, with the entity's key.
    dead_letters
        Of the dead letters: the original bytes, with what happened in the headers.
    """

    topic: str = Field(min_length=1)
    dead_letters: str = Field(min_length=1)

    @model_validator(mode="after")
    def _two_topics(self) -> KafkaSinkConfig:
        if self.topic == self.dead_letters:
            raise ValueError("topic and dead_letters name the same topic; use two")
        return self


class KafkaSink(Sink):
    """Writes with the idempotent producer and waits, in `flush`, for all in-sync replicas.

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

    @classmethod
    def open_log(cls, config: KafkaSinkConfig) -> KafkaLog:
        """The cluster, for the commands `topics` and `dlq`."""
        return KafkaLog(config, {"predictions": config.topic, "dead_letters": config.dead_letters})

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Take predictions.

        Raises
        ------
        RunError
            If the brokers cannot be reached or the topic is not there.
        """
        kind = [("content-type", b"application/json")]
        for one in predictions:
            self._send(self.config.topic, one.key, prediction_json(one).encode(), kind)

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Take dead letters.

        Raises
        ------
        RunError
            As `write`.
        """
        for one in letters:
            headers = list(dead_letter_headers(one).items())
            self._send(self.config.dead_letters, one.record_key or one.key, one.data, headers)

    def flush(self) -> None:
        """Return when the brokers have it all.

        Raises
        ------
        RunError
            If a record was not taken; it is not known which of those since the last flush were.
        """
        sent, self._sent = self._sent, []
        if self._producer is None:
            return
        with kafka_errors(self.config, "writing"):
            self._producer.flush()
            for future in sent:
                future.get(timeout=0)

    def close(self) -> None:
        """Flush, and leave the brokers."""
        try:
            self.flush()
        finally:
            producer, self._producer = self._producer, None
            if producer is not None:
                producer.close()

    def _send(
        self,
        topic: str,
        key: str | bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]],
    ) -> None:
        with kafka_errors(self.config, f"writing to the topic {topic}"):
            if self._producer is None:
                from kafka import KafkaProducer

                settings = self.config.settings()
                self._producer = KafkaProducer(
                    **settings, acks="all", max_block_ms=settings["bootstrap_timeout_ms"]
                )
            if isinstance(key, str):
                key = key.encode("utf-8", "surrogatepass")
            future = self._producer.send(topic, value, key, headers)
        self._sent.append(future)
