"""Reading ahead: what a killed process had read, while its group still waits for it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sensorium.plugin import Cut, Record, TopicPartition
from sensorium_plugins._kafka import admin_client
from sensorium_plugins.sources._kafka_config import KafkaSourceConfig
from sensorium_plugins.sources._kafka_consumer import (
    member_client_id,
    open_consumer,
    pause_only,
    poll,
)
from sensorium_plugins.sources._kafka_places import KafkaPlace

__all__ = ["ReadAhead"]

_LOG = logging.getLogger("sensorium.ingest")


class ReadAhead:
    """Reads up to stored cuts before the partitions are assigned.

    A process that is killed remains a member until its session has timed out, and whoever comes
    back in its place is assigned nothing before. What it had is known meanwhile, and where its
    stored cuts lie, so the horizon is read in that time. It is a guess: where another number is
    assigned, or another cut is stored by then, it was in vain. It never fails; where something does
    not work it ends, and everything is read once it is assigned.

    Parameters
    ----------
    config
        How to reach the brokers, and the group.
    cuts
        The stored cuts, by partition number.
    """

    def __init__(self, config: KafkaSourceConfig, cuts: Mapping[int, Cut]) -> None:
        self.cuts = cuts
        self.places: dict[TopicPartition, KafkaPlace] = {}
        """What was read, with its log times."""
        self.records = 0
        """How many records it has given."""
        self._until = {
            place: position.next
            for cut in cuts.values()
            for place, position in cut.positions.items()
        }
        self._done: set[TopicPartition] = set()
        self._consumer: Any = None
        self._config = config

    @classmethod
    def of_predecessor(cls, config: KafkaSourceConfig, topics: Collection[str]) -> ReadAhead | None:
        """To be asked for before the group is joined: after that nobody knows who had what.

        Returns
        -------
        ReadAhead or None
            None where no process of this host is a member, or it has stored no cuts.
        """
        if config.group is None or config.group_instance_id is not None:
            return None  # whoever comes back by name is not waited for
        admin = None
        try:
            admin = admin_client(config)
            cuts = _cuts_of(admin, config.group, topics)
        except Exception as error:  # whatever it is: the run goes on without
            _give_up(error)
            return None
        finally:
            if admin is not None:
                admin.close()
        return cls(config, cuts) if cuts else None

    def poll(self, limit: int, timeout: float, now: int) -> Sequence[Record]:
        """The next records that the cuts cover.

        Parameters
        ----------
        limit, timeout
            The most records, and how long to wait for the first, in seconds.
        now
            The time in ns since the epoch.
        """
        records: list[Record] = []
        try:
            if self._consumer is None:
                self._begin()
            for place, those in poll(self._consumer, limit, timeout).items():
                until, state = self._until[place], self.places[place]
                records += state.give([it for it in those if it.offset < until], now)
                # What waits for the clock is left for later.
                if those[-1].offset >= until - 1 or state.waits:
                    self._done.add(place)
            self.records += len(records)
            if len(self._done) == len(self._until):
                self.close()
            else:
                pause_only(self._consumer, self._done)
        except Exception as error:  # whatever it is: the run goes on without
            _give_up(error)
            self.close()
        return records

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to read."""
        return len(self._done) == len(self._until)

    def tell(self) -> None:
        """Say in the log how much has been read."""
        if self.records:
            _LOG.info(
                "%d records of the horizon were read while the group waited for who had %s before",
                self.records,
                sorted(self.cuts),
                extra={"event": "read_ahead", "count": self.records},
            )

    def close(self) -> None:
        """Read nothing more."""
        self._done = set(self._until)
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close(autocommit=False)

    def _begin(self) -> None:
        from kafka import TopicPartition as Place

        # The places are there first: a record that came before would have none.
        self.places = {place: KafkaPlace() for place in self._until}
        self._consumer = open_consumer(self._config.model_copy(update={"group": None}))
        self._consumer.assign([Place(*place) for place in self._until])
        for cut in self.cuts.values():
            for place, position in cut.positions.items():
                self._consumer.seek(Place(*place), position.offset)
                if position.offset >= position.next:
                    self._done.add(place)
        pause_only(self._consumer, self._done)


def _cuts_of(admin: Any, group: str, topics: Collection[str]) -> dict[int, Cut]:
    """The stored cuts of what the members of this host have been assigned."""
    from kafka import TopicPartition as Place

    numbers = {
        number
        for member in admin.describe_groups([group])[group]["members"]
        if member["client_id"] == member_client_id() and member["member_assignment"]
        for topic in member["member_assignment"]["assigned_partitions"]
        for number in topic["partitions"]
    }
    if not numbers:
        return {}
    places = [Place(topic, number) for topic in topics for number in sorted(numbers)]
    commits: dict[int, dict[TopicPartition, tuple[int, str]]] = {}
    for (topic, number), found in admin.list_group_offsets({group: places})[group].items():
        if found.offset >= 0:
            place = TopicPartition(topic, number)
            commits.setdefault(number, {})[place] = (found.offset, found.metadata)
    cuts = {number: Cut.read(them) for number, them in commits.items()}
    return {number: cut for number, cut in cuts.items() if cut is not None}


def _give_up(error: BaseException) -> None:
    # What is wrong is told, or waited for, when the partitions are assigned.
    _LOG.debug("nothing is read ahead: %s: %s", type(error).__name__, error)
