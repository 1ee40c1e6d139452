"""A broker that is gone for a while ends nothing."""

from __future__ import annotations

import logging
import threading
from typing import Any, ClassVar

import pytest
from kafka import TopicPartition as Place
from kafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
    UnknownError,
)

from sensorium.durations import INFINITY
from sensorium.plugin import TopicPartition
from sensorium_plugins import _kafka_log
from sensorium_plugins._kafka_limits import insist, within
from sensorium_plugins.sources import _kafka
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


@pytest.mark.parametrize("error", [KafkaConnectionError("refused"), UnknownError("refused")])
def test_nothing_is_read_while_the_broker_is_gone(
    error: KafkaError, caplog: pytest.LogCaptureFixture
) -> None:
    consumer = Consumer(error, {Place("a", 0): ["record"]})
    with caplog.at_level(logging.WARNING, "sensorium.ingest"):
        assert poll(consumer, 10, 0.001) == {}
    assert "nothing can be read for now" in caplog.text
    assert "refused" in caplog.text
    assert poll(consumer, 10, 0.001) == {TopicPartition("a", 0): ["record"]}


def test_what_will_not_pass_is_raised() -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        poll(Consumer(TopicAuthorizationFailedError("no")), 10, 0.001)


def test_what_has_to_be_known_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    answers = [KafkaConnectionError("refused"), KafkaConnectionError("refused"), 7]

    def ask() -> Any:
        return Consumer(answers.pop(0)).poll(0, 0)

    with caplog.at_level(logging.WARNING, "sensorium"):
        assert insist(ask, seconds=20, what="the answer", stage="emit") == 7
    assert "asking for the answer again: KafkaConnectionError" in caplog.text
    assert {record.name for record in caplog.records} == {"sensorium.emit"}


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(TopicAuthorizationFailedError("no"), 60.0), (KafkaConnectionError("refused"), 0.0)],
)
def test_what_does_not_help_is_not_gone_on_with(error: KafkaError, seconds: float) -> None:
    answers = [error] * 3

    def ask() -> Any:
        return Consumer(answers.pop(0)).poll(0, 0)

    with pytest.raises(type(error)):
        insist(ask, seconds)
    assert answers


def test_what_never_returns_is_left() -> None:
    asked = threading.Event()
    answer = threading.Event()

    def ask() -> None:
        asked.set()
        answer.wait()

    with pytest.raises(KafkaTimeoutError, match="the call has taken more than"):
        within(0.05, ask, "the call")
    assert asked.is_set()
    answer.set()


def test_what_returns_in_time_is_as_if_called_here() -> None:
    done: list[int] = []
    within(60, lambda: done.append(1), "the call")
    assert done == [1]
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: done.append(1 // 0), "the call")


def test_a_broker_that_goes_while_topics_are_listed_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [KafkaConnectionError("refused"), {0, 1}]

    class Joining(Consumer):
        subscribed: tuple[str, ...] = ()

        def partitions_for_topic(self, topic: str) -> Any:
            return Consumer(answers.pop(0)).poll(0, 0)

        def subscribe(self, topics: list[str], listener: Any) -> None:
            self.subscribed = tuple(topics)

    consumer = Joining()
    monkeypatch.setattr(_kafka, "open_consumer", lambda _: consumer)
    config = _kafka.KafkaSource.Config(bootstrap_servers="127.0.0.1:1", group="g", start="earliest")
    assert list(_kafka.KafkaSource(config, ["a"]).partitions()) == []
    assert consumer.subscribed == ("a",)
    assert not answers


def test_a_broker_that_goes_while_topics_are_described_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Admin:
        """The broker goes after the client has connected, as while an engine starts."""

        answers: ClassVar[list[Any]] = [
            KafkaConnectionError("reset by peer"),
            [{"name": "gone", "partitions": [], "error_code": 3}],
        ]

        def describe_topics(self, _topics: list[str]) -> Any:
            return Consumer(self.answers.pop(0)).poll(0, 0)

        def close(self) -> None: ...

    monkeypatch.setattr(_kafka_log, "admin_client", lambda _config: Admin())
    log = _kafka.KafkaSource.open_log(
        _kafka.KafkaSource.Config(bootstrap_servers="nowhere:1", start="earliest")
    )
    try:
        assert log.describe(["gone"]) == {}
    finally:
        log.close()
    assert not Admin.answers


@pytest.mark.parametrize(("group", "longest"), [("g", 20_000_000_000), (None, INFINITY)])
def test_only_a_group_minds_how_long_nobody_polls(group: str | None, longest: float) -> None:
    config = _kafka.KafkaSource.Config(
        bootstrap_servers="nowhere:1", start="earliest", group=group, max_poll_interval="20s"
    )
    assert _kafka.KafkaSource(config, ["a"]).max_poll_interval == longest
