"""A broker that is gone for a while ends nothing."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from kafka import TopicPartition as Place
from kafka.errors import KafkaConnectionError, KafkaError, TopicAuthorizationFailedError

from sensorium.plugin import TopicPartition
from sensorium_plugins.sources._kafka_consumer import poll


class Consumer:
    """Raises, or gives, what it is told to."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def poll(self, timeout_ms: int, max_records: int) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, KafkaError):
            raise answer
        return answer


def test_nothing_is_read_while_the_broker_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    consumer = Consumer(KafkaConnectionError("refused"), {Place("a", 0): ["record"]})
    with caplog.at_level(logging.WARNING, "sensorium.ingest"):
        assert poll(consumer, 10, 0.001) == {}
    assert "nothing can be read for now" in caplog.text
    assert "refused" in caplog.text
    assert poll(consumer, 10, 0.001) == {TopicPartition("a", 0): ["record"]}


def test_what_will_not_pass_is_raised() -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        poll(Consumer(TopicAuthorizationFailedError("no")), 10, 0.001)
