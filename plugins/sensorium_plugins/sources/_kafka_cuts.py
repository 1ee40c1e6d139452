"""The cuts that a group has committed to Kafka."""

from __future__ import annotations

import time
from collections.abc import Collection
from functools import partial
from typing import Any, Final

from sensorium.errors import RunError
from sensorium.plugin import Cut, TopicPartition
from sensorium_plugins._kafka import kafka_errors
from sensorium_plugins.sources._kafka_config import KafkaSourceConfig
from sensorium_plugins.sources._kafka_consumer import insist

__all__ = ["stored_cuts"]

_WAIT_MS: Final = 5_000
#: How long they are asked for, in seconds.
_PATIENCE_SECONDS: Final = 300.0
_TRIES: Final = 5
_PAUSE_SECONDS: Final = 0.5


def stored_cuts(
    consumer: Any, config: KafkaSourceConfig, places: Collection[TopicPartition]
) -> dict[int, Cut]:
    """Per partition number that the group has committed, the stored cut.

    Parameters
    ----------
    consumer
        A `kafka.KafkaConsumer`, a member of the group.
    places
        All topics' partitions of these numbers.

    Raises
    ------
    RunError
        If the brokers do not say, someone else wrote them, or they are of different cuts.
    """
    tries = 0
    while True:
        tries += 1
        commits = _commits(consumer, config, places)
        try:
            cuts = {number: Cut.read(them) for number, them in commits.items()}
        except RunError:
            # They are asked for one by one. What ends in between, as the last owner's transaction
            # that was on its way while brokers restarted, makes them differ.
            if tries == _TRIES:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return {number: cut for number, cut in cuts.items() if cut is not None}


def _commits(
    consumer: Any, config: KafkaSourceConfig, places: Collection[TopicPartition]
) -> dict[int, dict[TopicPartition, tuple[int, str]]]:
    from kafka import TopicPartition as Place

    commits: dict[int, dict[TopicPartition, tuple[int, str]]] = {}
    with kafka_errors(config, "reading the group's offsets"):
        for place in places:
            # A transaction of the number's last owner may be open: until it ends, or is timed out
            # by the broker, there is no answer. Asked without a time-out, the client would wait for
            # ever, and the group with it, without a word.
            ask = partial(consumer.committed, Place(*place), metadata=True, timeout_ms=_WAIT_MS)
            found = insist(
                ask,
                _PATIENCE_SECONDS,
                f"what the group has committed of {place.topic}[{place.partition}]",
            )
            if found is not None:
                them = commits.setdefault(place.partition, {})
                them[place] = (found.offset, found.metadata)
    return commits
