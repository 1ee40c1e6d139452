"""Where partitions end, asked of the brokers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sensorium.plugin import TopicPartition
from sensorium_plugins._kafka import KafkaConnection, admin_client

__all__ = ["KafkaEnds"]

_WAIT_MS: Final = 2_000


class KafkaEnds:
    """Asks for high watermarks: what an open transaction has written lies below them.

    A consumer that reads committed records only is told the last stable offset instead, which an
    open transaction holds back, and which so looks like the end.

    Parameters
    ----------
    config
        How to reach the brokers.
    """

    def __init__(self, config: KafkaConnection) -> None:
        self._config = config
        self._admin: Any = None

    def ask(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset after the last record of each; nothing if the brokers do not answer."""
        from kafka import TopicPartition as Place
        from kafka.admin import OffsetSpec
        from kafka.errors import KafkaError

        wanted = {Place(*place): OffsetSpec.LATEST for place in places}
        try:
            if self._admin is None:
                self._admin = admin_client(self._config)
            found = self._admin.list_partition_offsets(wanted, timeout_ms=_WAIT_MS)
        except KafkaError:
            return {}
        return {TopicPartition(*place[:2]): it.offset for place, it in found.items()}

    def close(self) -> None:
        """Leave the brokers."""
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()
