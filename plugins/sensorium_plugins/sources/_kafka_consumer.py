"""How the Kafka source connects, by itself or as a member of a group."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from sensorium.plugin import TopicPartition
from sensorium_plugins._kafka import kafka_errors
from sensorium_plugins._kafka_batches import read_in_batches
from sensorium_plugins._kafka_limits import insist
from sensorium_plugins.sources._kafka_config import KafkaSourceConfig

__all__ = [
    "member_client_id",
    "open_consumer",
    "pause_only",
    "poll",
    "position_of",
    "see_join_through",
    "warn_of_gone",
]

_LOG = logging.getLogger("sensorium.ingest")

_MS: Final = 1_000_000


def member_client_id() -> str:
    """What a member of a group calls itself: the same for every process of one host or container.

    So whoever takes the place of a killed one finds out what that had been assigned.
    """
    return f"sensorium-{socket.gethostname()}"


def open_consumer(config: KafkaSourceConfig) -> Any:
    """Connect.

    Returns
    -------
    kafka.KafkaConsumer
        It commits nothing by itself, gives nothing of transactions that are open or aborted, and
        has been given no topic yet.

    Raises
    ------
    RunError
        If the brokers cannot be reached.
    """
    from kafka import KafkaConsumer

    grouped: dict[str, Any] = {}
    if config.group is not None:
        from sensorium_plugins.sources._kafka_assignor import NumberAssignor

        session = int(config.session_timeout) // _MS
        grouped = {
            "group_id": config.group,
            "client_id": member_client_id(),
            "group_instance_id": config.group_instance_id,
            "partition_assignment_strategy": [NumberAssignor()],
            "session_timeout_ms": session,
            "heartbeat_interval_ms": min(3_000, session // 5),
            "max_poll_interval_ms": int(config.max_poll_interval) // _MS,
        }
    with kafka_errors(config, "connecting"):
        consumer = KafkaConsumer(
            **{**config.settings(), **grouped},
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
    read_in_batches(consumer)
    return consumer


def poll(consumer: Any, limit: int, timeout: float) -> dict[TopicPartition, Sequence[Any]]:
    """What a consumer gives within a time; nothing while the brokers cannot be reached.

    Parameters
    ----------
    consumer
        A `kafka.KafkaConsumer`.
    limit, timeout
        The most records, and how long to wait for the first, in seconds.

    Raises
    ------
    KafkaError
        If trying again would not help.
    """
    from kafka.errors import KafkaError, UnknownError

    unpark(consumer)
    try:
        found = consumer.poll(timeout_ms=round(timeout * 1000), max_records=limit)
    except KafkaError as error:
        # A broker that restarts may answer that it has failed, for a reason without a name.
        if not (error.retriable or isinstance(error, UnknownError)):
            raise
        # As while it looks for its group's coordinator, and the broker that it asks is gone.
        _LOG.warning("nothing can be read for now: %s: %s", type(error).__name__, error)
        time.sleep(timeout)
        return {}
    return {TopicPartition(*place[:2]): those for place, those in found.items()}


def unpark(consumer: Any) -> None:
    """Let a consumer give again what it holds of partitions that have been resumed.

    To be called before every poll. When a partition is paused in the middle of a batch that was
    fetched, the fetcher of kafka-python puts the rest aside, and takes it up again only while no
    other batch is in hand. One that has been used up still counts as in hand (up to 3.0.12, the
    newest now), and a partition with records put aside is not fetched: it would never be read
    again. So what is used up is taken out of its hand.

    Parameters
    ----------
    consumer
        A `kafka.KafkaConsumer`, of whose inner parts this makes use.
    """
    fetcher: Any = getattr(consumer, "_fetcher", None)
    if getattr(fetcher, "_paused_partition_records", None) and not fetcher._next_partition_records:
        fetcher._next_partition_records = None


def see_join_through(consumer: Any) -> None:
    """Let a consumer complete the joining of its group that it is about to begin.

    To be called when partitions are revoked for a rebalance. A consumer of kafka-python goes on
    with a join, from poll to poll, while it finds that it has to rejoin. Where it rejoins since the
    partitions of a topic have changed, or have only now become known, that is no longer so once it
    has shared them out, before the join is complete (up to 3.0.12, the newest now): it would never
    be assigned anything again, nor send heartbeats. A request to rejoin stands until it is.

    Parameters
    ----------
    consumer
        A `kafka.KafkaConsumer`, of whose inner parts this makes use.
    """
    coordinator = getattr(consumer, "_coordinator", None)
    if coordinator is not None:
        coordinator.request_rejoin()


def warn_of_gone(consumer: Any, offsets: Mapping[TopicPartition, int]) -> None:
    """Say loudly which records a group has still to read that its topics have no more.

    The client goes on at what is left without a word, and nobody would know of the loss.

    Parameters
    ----------
    consumer
        A `kafka.KafkaConsumer`.
    offsets
        Per topic-partition, the offset that the group has committed.
    """
    from kafka import TopicPartition as Place

    if not offsets:
        return
    begins = insist(lambda: consumer.beginning_offsets([Place(*place) for place in offsets]))
    for (topic, number), begin in sorted((place[:2], begin) for place, begin in begins.items()):
        wanted = offsets[TopicPartition(topic, number)]
        if wanted < begin:
            _LOG.warning(
                "%s[%d]@%d: %d records are gone that the group has still to read; the log begins "
                "at %d. They are lost, and sets that they belong to lack them: the topic keeps its "
                "records for too short a time (retention.ms), or they were deleted",
                topic,
                number,
                wanted,
                begin - wanted,
                begin,
                extra={"event": "records_gone", "origin": f"{topic}[{number}]@{wanted}"},
            )


def position_of(consumer: Any, place: TopicPartition, timeout_ms: int) -> int | None:
    """Where a partition is read next; None where that is not known within the time.

    Nor is it while the partition is not assigned: it may have been lost to the group, on the
    client's own thread, before anybody was told of it.
    """
    from kafka import TopicPartition as Place
    from kafka.errors import IllegalStateError

    try:
        position: int | None = consumer.position(Place(*place), timeout_ms=timeout_ms)
    except IllegalStateError:
        return None
    return position


def pause_only(consumer: Any, places: Collection[TopicPartition]) -> None:
    """Pause these of the partitions that are assigned, and no others.

    One that is lost meanwhile, as of `position_of`, has nothing that could be paused.
    """
    from kafka.errors import IllegalStateError

    for place in consumer.assignment():
        change = consumer.pause if TopicPartition(*place[:2]) in places else consumer.resume
        with suppress(IllegalStateError):
            change(place)
