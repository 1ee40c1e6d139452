"""What the Kafka source reads: the topics, and where it begins what no cut tells of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from sensorium.errors import RunError
from sensorium.plugin import TopicPartition
from sensorium_plugins._kafka import kafka_errors
from sensorium_plugins._kafka_limits import insist
from sensorium_plugins.sources._kafka_config import KafkaSourceConfig

__all__ = ["check_counts", "offsets_at", "start_offsets"]

_MS: Final = 1_000_000


def check_counts(consumer: Any, config: KafkaSourceConfig, topics: Sequence[str]) -> None:
    """Insist on topics that are there and have equal numbers of partitions.

    Raises
    ------
    RunError
        If they have not, or the brokers do not say.
    """
    with kafka_errors(config, "listing partitions"):
        counts = {
            # It is asked when partitions are assigned, too, as when brokers restart.
            topic: len(insist(partial(consumer.partitions_for_topic, topic)) or ())
            for topic in topics
        }
    missing = [topic for topic, count in counts.items() if not count]
    if missing:
        raise RunError(
            f"Kafka at {config.bootstrap_servers}: there is no topic {', '.join(missing)}; "
            "create it, or correct the stream's `topic`"
        )
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{topic} {count}" for topic, count in counts.items())
        raise RunError(
            f"streams that are aligned need topics with equal numbers of partitions; there are "
            f"{said}"
        )


def start_offsets(
    consumer: Any, config: KafkaSourceConfig, places: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    """The offsets at which these begin, as ``start`` says.

    Parameters
    ----------
    consumer
        A `kafka.KafkaConsumer`.

    Raises
    ------
    RunError
        If the brokers do not say.
    """
    from kafka import TopicPartition as Place

    if (start := config.start_ns) is not None:
        return offsets_at(consumer, config, dict.fromkeys(places, start))
    wanted = [Place(*place) for place in places]
    with kafka_errors(config, "finding where to begin"):
        if config.start == "earliest":
            found = insist(lambda: consumer.beginning_offsets(wanted))
        else:
            found = insist(lambda: consumer.end_offsets(wanted))
    return {TopicPartition(*place[:2]): offset for place, offset in found.items()}


def offsets_at(
    consumer: Any, config: KafkaSourceConfig, times: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """The offsets of the first records of at least these log times, in ns; else the ends.

    Parameters
    ----------
    consumer
        A `kafka.KafkaConsumer`.

    Raises
    ------
    RunError
        If the brokers do not say.
    """
    from kafka import TopicPartition as Place

    wanted = {Place(*place): max(time, 0) // _MS for place, time in times.items()}
    with kafka_errors(config, "finding where to begin"):
        found = insist(lambda: consumer.offsets_for_times(wanted))
        beyond = [place for place, it in found.items() if it is None]
        ends = insist(lambda: consumer.end_offsets(beyond))
    return {
        TopicPartition(*place[:2]): ends[place] if it is None else it.offset
        for place, it in found.items()
    }
