"""How the Kafka source connects, by itself or as a member of a group."""

from __future__ import annotations

from typing import Any, Final

from sensorium_plugins._kafka import kafka_errors
from sensorium_plugins.sources._kafka_config import KafkaSourceConfig

__all__ = ["open_consumer"]

_MS: Final = 1_000_000


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
            "group_instance_id": config.group_instance_id,
            "partition_assignment_strategy": [NumberAssignor()],
            "session_timeout_ms": session,
            "heartbeat_interval_ms": min(3_000, session // 5),
            "max_poll_interval_ms": int(config.max_poll_interval) // _MS,
        }
    with kafka_errors(config, "connecting"):
        return KafkaConsumer(
            **config.settings(),
            **grouped,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
