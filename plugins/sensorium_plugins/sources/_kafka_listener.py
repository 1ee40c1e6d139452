"""Rebalances of a consumer group, told to a source while its thread waits in `poll`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.net.selector import KernelEvent

from sensorium_plugins.sources._kafka_consumer import see_join_through

__all__ = ["GroupListener", "GroupMember"]

#: How often it is looked whether the work is done, in seconds.
_LOOK_SECONDS = 0.005


class GroupMember(Protocol):
    """Who is told. The calls come one at a time, on a thread of their own, while the thread that
    polls waits."""

    def on_assigned(self, numbers: set[int]) -> None:
        """These partition numbers are read here, and no others."""
        ...

    def on_revoked(self, numbers: set[int]) -> None:
        """These are given back when the call returns."""
        ...

    def on_lost(self, numbers: set[int]) -> None:
        """These have been given to others already."""
        ...

    def on_error(self, error: BaseException) -> None:
        """A call failed."""
        ...


class GroupListener(AsyncConsumerRebalanceListener):  # type: ignore[misc,unused-ignore]
    """Runs the work of a rebalance on a thread, since it commits, and so waits for the brokers.

    The client calls its listeners on the thread that does its input and output; heartbeats go on
    only if a listener gives way.

    Parameters
    ----------
    member
        Is told.
    consumer
        The `kafka.KafkaConsumer` whose listener this is.
    """

    def __init__(self, member: GroupMember, consumer: Any) -> None:
        self._member = member
        self._consumer = consumer
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sensorium-rebalance")
        self._closed = False

    def close(self) -> None:
        """Tell nothing more."""
        self._closed = True
        self._pool.shutdown()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Tell what has been assigned."""
        await self._tell(self._member.on_assigned, assigned)

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Tell what is being revoked, and return when that is done with."""
        if not self._closed:
            see_join_through(self._consumer)
        await self._tell(self._member.on_revoked, revoked)

    async def on_partitions_lost(self, lost: Any) -> None:
        """Tell what has been lost."""
        await self._tell(self._member.on_lost, lost)

    async def _tell(self, call: Callable[[set[int]], None], places: Any) -> None:
        if self._closed:
            return
        done = self._pool.submit(call, {place.partition for place in places})
        while not done.done():
            # A future of another thread does not wake the client's loop: it is looked at.
            await KernelEvent("_sleep", _LOOK_SECONDS)
        if (error := done.exception()) is not None:
            self._member.on_error(error)
