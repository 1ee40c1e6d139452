"""One real broker for all the tests that need one, and topics of a test's own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from kafka_broker import NoBrokerError, kafka_broker

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """The address of an Apache Kafka."""
    try:
        with kafka_broker() as address:
            yield address
    except NoBrokerError as error:
        pytest.skip(f"needs Apache Kafka: {error}")


@pytest.fixture
def new_topic(broker: str) -> Iterator[Callable[..., str]]:
    """Make a topic whose records the broker stamps, and give its name."""
    from kafka.admin import KafkaAdminClient, NewTopic

    admin = KafkaAdminClient(bootstrap_servers=broker)

    def make(partitions: int = 1, stamp: str = "LogAppendTime") -> str:
        name = f"topic-{next(_NUMBERS)}"
        admin.create_topics(
            [NewTopic(name, partitions, 1, topic_configs={"message.timestamp.type": stamp})]
        )
        return name

    yield make
    admin.close()
