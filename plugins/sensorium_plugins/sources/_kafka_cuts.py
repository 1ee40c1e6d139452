"""The cuts that a group has committed to Kafka."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Final

from sensorium.errors import CommitError, RunError
from sensorium.plugin import Cut, TopicPartition
from sensorium_plugins._kafka import kafka_errors
from sensorium_plugins._kafka_limits import insist
from sensorium_plugins.sources._kafka_config import KafkaSourceConfig

__all__ = ["confirm_cuts", "stored_cuts"]

_WAIT_MS: Final = 5_000
#: How long they are asked for, in seconds.
_PATIENCE_SECONDS: Final = 300.0
_CONFIRM_SECONDS: Final = 10.0
_TRIES: Final = 5
_PAUSE_SECONDS: Final = 0.5


def stored_cuts(
    consumer: Any,
    config: KafkaSourceConfig,
    places: Collection[TopicPartition],
    patience: float = _PATIENCE_SECONDS,
) -> dict[int, Cut]:
    """Per partition number that the group has committed, the stored cut.

    Parameters
    ----------
    consumer
        A `kafka.KafkaConsumer`, a member of the group.
    places
        All topics' partitions of these numbers.
    patience
        For how many seconds each is asked for.

    Raises
    ------
    RunError
        If the brokers do not say, someone else wrote them, or they are of different cuts.
    """
    tries = 0
    while True:
        tries += 1
        commits = _commits(consumer, config, places, patience)
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


def confirm_cuts(
    consumer: Any,
    config: KafkaSourceConfig,
    places: Collection[TopicPartition],
    told: Mapping[int, Cut | None],
) -> None:
    """Make sure that the stored cuts are those that the brokers told before.

    A broker that restarts may begin to answer while it still reads the group's log (Apache Kafka
    4.1 and 4.3: "Ignored load completion"). What it tells then was stored earlier, and who goes on
    from there gives sets a second time.

    Parameters
    ----------
    consumer, config, places
        As of `stored_cuts`; the places may be of other numbers, too.
    told
        The cuts, by partition number.

    Raises
    ------
    CommitError
        If they are others, or the brokers do not say.
    """
    wanted = [place for place in places if place.partition in told]
    try:
        stored = stored_cuts(consumer, config, wanted, _CONFIRM_SECONDS)
    except RunError as error:
        raise CommitError(str(error)) from error
    old = sorted(number for number, cut in told.items() if cut != stored.get(number))
    if old:
        raise CommitError(
            f"when the partition numbers {old} were assigned, the brokers told of other cuts than "
            "now"
        )


def _commits(
    consumer: Any, config: KafkaSourceConfig, places: Collection[TopicPartition], patience: float
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
                patience,
                f"what the group has committed of {place.topic}[{place.partition}]",
            )
            if found is not None:
                them = commits.setdefault(place.partition, {})
                them[place] = (found.offset, found.metadata)
    return commits
