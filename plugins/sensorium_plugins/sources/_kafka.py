"""The topics of the streams, read from Apache Kafka."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Final

from sensorium.durations import INFINITY, Duration
from sensorium.errors import CommitError, RunError
from sensorium.plugin import Assignee, Batch, Cut, Record, Source, TopicPartition
from sensorium_plugins._kafka import is_lasting, kafka_errors, run_error
from sensorium_plugins._kafka_ends import KafkaEnds
from sensorium_plugins._kafka_log import KafkaLog
from sensorium_plugins.sources._kafka_ahead import ReadAhead
from sensorium_plugins.sources._kafka_config import KafkaSourceConfig
from sensorium_plugins.sources._kafka_consumer import (
    open_consumer,
    pause_only,
    poll,
    position_of,
    warn_of_gone,
)
from sensorium_plugins.sources._kafka_cuts import confirm_cuts, stored_cuts
from sensorium_plugins.sources._kafka_places import KafkaPlace
from sensorium_plugins.sources._kafka_start import check_counts, offsets_at, start_offsets

__all__ = ["KafkaSource"]

_MS: Final = 1_000_000

#: How often the brokers are asked where the partitions end, while nothing comes from one.
_ASK_NS: Final = 500 * _MS
_COMMIT_WAIT_MS: Final = 10_000
_CLOSE_WAIT_MS: Final = 5_000


class KafkaSource(Source):
    """The partitions of the streams' topics, all of them or a group member's share.

    Log time is the running maximum of a partition's timestamps. Only what committed transactions
    wrote is read.

    Parameters
    ----------
    config
        A `KafkaSourceConfig`.
    topics
        They have to have equal numbers of partitions.
    clock
        Gives the time in ns since the epoch.
    """

    name: ClassVar[str] = "kafka"
    Config: ClassVar[type[KafkaSourceConfig]] = KafkaSourceConfig
    local: ClassVar[bool] = False

    def __init__(
        self,
        config: KafkaSourceConfig,
        topics: Sequence[str],
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(config, topics)
        self._clock = clock
        self._consumer: Any = None
        self._listener: Any = None
        self._ends = KafkaEnds(config)
        self._assignee: Assignee | None = None
        self._places: dict[TopicPartition, KafkaPlace] = {}
        self._before: dict[TopicPartition, KafkaPlace] = {}
        #: What a killed process had, until partition numbers are assigned.
        self._ahead: ReadAhead | None = None
        #: Stored cuts as they were told, until the first commit.
        self._told: dict[int, Cut | None] = {}
        self._paused: frozenset[TopicPartition] = frozenset()
        self._error: BaseException | None = None
        self._asked = 0
        self._member = config.group_instance_id or uuid.uuid4().hex
        #: Who this is to the group, since partition numbers were last assigned.
        self._membership: Any = None
        self._known_ends: dict[TopicPartition, int] = {}
        self._closed = False

    @classmethod
    def open_log(cls, config: KafkaSourceConfig) -> KafkaLog:
        """The cluster, for the commands `topics`, `dlq`, `record` and `replay`."""
        return KafkaLog(config)

    def partitions(self) -> Sequence[int]:
        """The partition numbers of the topics, or those that the group has given to this member.

        Raises
        ------
        RunError
            If the brokers cannot be reached, a topic is not there, or the topics differ in their
            number of partitions: a key's streams could then never meet.
        """
        self._open()
        return sorted({place.partition for place in self._places})

    def poll(self, limit: int, timeout: float) -> Batch:
        """Give the next records.

        Raises
        ------
        RunError
            As `partitions`, if reading fails for good, or after `close`.
        """
        self._open()
        with kafka_errors(self.config, "reading"):
            try:
                fetched = poll(self._consumer, limit, 0 if self._reads_ahead() else timeout)
            finally:
                error, self._error = self._error, None
                if error is not None:
                    raise error
        now = self._clock()
        waiting = [place for place, state in self._places.items() if state.waits]
        records: list[Record] = []
        for place in {**fetched, **dict.fromkeys(waiting)}:
            if place in self._places:  # else it has just been given back
                records += self._places[place].give(fetched.get(place, ()), now)
        if waiting or any(state.waits for state in self._places.values()):
            self._apply_pauses()
        early = self._reads_ahead()  # unless partition numbers have just been assigned
        ahead = early.poll(limit, timeout, now) if early else ()
        return Batch(records, self._progress(set(fetched)), positions=self._reached(), ahead=ahead)

    def pause(self, places: Collection[TopicPartition]) -> bool:
        """From now on give no records of these, and of all others; polling goes on."""
        if frozenset(places) != self._paused:
            self._paused = frozenset(places)
            self._apply_pauses()
        return True

    def lag(self) -> dict[TopicPartition, int]:
        """How many records lie between what has been given and the end."""
        if self._consumer is None:
            return {}
        lag = {}
        for place in self._consumer.assignment():
            own = TopicPartition(*place[:2])
            ends = (self._consumer.highwater(place), self._known_ends.get(own))
            known = [end for end in ends if end is not None]
            position = position_of(self._consumer, own, 0) if known else None
            if position is not None:
                lag[own] = max(max(known) - position, 0)
        return lag

    def close(self) -> None:
        """Leave the group and the brokers; there is no way back."""
        self._closed = True
        if self._ahead is not None:
            self._ahead.close()
        consumer, self._consumer = self._consumer, None
        if self._listener is not None:
            self._listener.close()
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=_CLOSE_WAIT_MS)
        self._ends.close()

    # Cuts, in a group.

    @property
    def keeps_cuts(self) -> bool:
        """Whether there is a group."""
        return self.config.group is not None

    @property
    def member(self) -> str:
        """``group_instance_id``, or a name of this start."""
        return f"{self.config.group}-{self._member}"

    @property
    def single(self) -> bool:
        """Whether there is a ``group_instance_id``."""
        return self.config.group_instance_id is not None

    @property
    def max_poll_interval(self) -> Duration:
        """That of the configuration, in a group."""
        return INFINITY if self.config.group is None else int(self.config.max_poll_interval)

    def join(self, assignee: Assignee) -> None:
        """From now on tell `assignee`, within `poll`, which partition numbers are its own."""
        self._assignee = assignee

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Go on at these offsets, with the log times that have been reached there."""
        from kafka import TopicPartition as Place

        for place, offset in offsets.items():
            if place in self._before:
                # A number that was foreseen may still have to be read up to its cut.
                self._before[place].until = self._places[place].until
                self._places[place] = self._before[place]
                self._places[place].forget_waiting()
            self._consumer.seek(Place(*place), offset)

    def seek_to_time(self, times: Mapping[int, int]) -> None:
        """Read on from the first records of these log times."""
        wanted = {it: times[it.partition] for it in self._places if it.partition in times}
        if wanted:
            self._begin(offsets_at(self._consumer, self.config, wanted))

    def commit(self, cuts: Mapping[int, Cut]) -> None:
        """Commit the cuts as the group's offsets, in one request.

        Raises
        ------
        CommitError
            If the brokers refuse that, or do not answer.
        RunError
            If another process has taken the place of this member, or a right is missing.
        """
        from kafka.errors import FencedInstanceIdError, KafkaError

        from sensorium_plugins._kafka_offsets import offsets_of

        offsets = offsets_of(cuts)
        if not offsets:
            return
        try:
            self._consumer.commit(offsets, timeout_ms=_COMMIT_WAIT_MS)
        except FencedInstanceIdError as error:
            raise RunError(
                f"another process has joined the group {self.config.group} as "
                f"{self.config.group_instance_id}: give each its own group_instance_id"
            ) from error
        except KafkaError as error:
            if is_lasting(error):
                raise run_error(self.config, "committing offsets", error) from error
            raise CommitError(
                f"Kafka at {self.config.bootstrap_servers} did not store the cuts of "
                f"{sorted(cuts)} ({type(error).__name__}: {error})"
            ) from error

    def confirm(self, numbers: Collection[int]) -> None:
        """Ask once more, before the first commit of each; see `confirm_cuts`."""
        told = {number: self._told.pop(number) for number in numbers if number in self._told}
        if told:
            confirm_cuts(self._consumer, self.config, self._places, told)

    def rewind(self) -> None:
        """Go back to the stored cuts of everything assigned, and tell the assignee."""
        self._go_on({place.partition for place in self._places})

    def membership(self) -> Any:
        """The member's identity and generation of the assignment; see `is_nobody`."""
        return self._membership

    # What the group's listener is told; see `GroupMember`.

    def on_assigned(self, numbers: set[int]) -> None:
        """Stand at the stored cuts of these partition numbers, and tell the assignee."""
        self._membership = self._consumer.group_metadata()
        self._go_on(numbers)

    def _go_on(self, numbers: set[int]) -> None:
        assert self._assignee is not None
        self._check()
        self._before = self._places
        if self._ahead is not None:
            self._before = self._ahead.places
            self._ahead.tell()
            self._ahead.close()
            self._ahead = None
        self._places = {
            place: KafkaPlace()
            for place in (TopicPartition(topic, it) for topic in self.topics for it in numbers)
        }
        stored = self._stored(numbers)
        self._assignee.assigned(stored)
        self._before = {}
        self._apply_pauses()

    def on_revoked(self, numbers: set[int]) -> None:
        """Have the assignee commit what it has of these."""
        assert self._assignee is not None
        self._assignee.revoked(numbers)

    def on_lost(self, numbers: set[int]) -> None:
        """Tell the assignee that these are not its own any more."""
        assert self._assignee is not None
        self._assignee.lost(numbers)

    def on_error(self, error: BaseException) -> None:
        """Raise the error in the poll that goes on."""
        self._error = error

    def _stored(self, numbers: set[int]) -> dict[int, Cut | None]:
        """The stored cuts; the consumer stands where each begins, or at the start."""
        stored = stored_cuts(self._consumer, self.config, self._places)
        offsets = {
            place: position.offset
            for cut in stored.values()
            for place, position in cut.positions.items()
        }
        with kafka_errors(self.config, "finding where to begin"):
            warn_of_gone(self._consumer, offsets)
        fresh = [place for place in self._places if place not in offsets]
        self._begin({**offsets, **start_offsets(self._consumer, self.config, fresh)})
        for cut in stored.values():
            for place, position in cut.positions.items():
                self._places[place].until = position.next
        self._told = {number: stored.get(number) for number in numbers}
        return dict(self._told)

    # Where it is read.

    def _reads_ahead(self) -> ReadAhead | None:
        return None if self._ahead is None or self._ahead.finished else self._ahead

    def _open(self) -> None:
        if self._consumer is not None:
            return
        if self._closed:  # else a late call would join the group anew, and nobody would leave it
            raise RunError("the kafka source is closed; open a new one")
        self._consumer = open_consumer(self.config)
        try:
            self._check()
            if self.config.group is None:
                self._read_everything()
            else:
                from sensorium_plugins.sources._kafka_listener import GroupListener

                self._ahead = ReadAhead.of_predecessor(self.config, self.topics)
                if self._ahead is not None and self._assignee is not None:
                    self._assignee.foreseen(self._ahead.cuts)
                self._listener = GroupListener(self, self._consumer)
                self._consumer.subscribe(list(self.topics), listener=self._listener)
        except BaseException:
            self.close()
            raise

    def _read_everything(self) -> None:
        from kafka import TopicPartition as Place

        with kafka_errors(self.config, "finding where to begin"):
            places = [
                TopicPartition(topic, number)
                for topic in self.topics
                for number in self._consumer.partitions_for_topic(topic)
            ]
            self._consumer.assign([Place(*place) for place in places])
        self._places = {place: KafkaPlace() for place in places}
        # Now, and not with the first poll: what comes in between is read.
        self._begin(start_offsets(self._consumer, self.config, places))

    def _begin(self, offsets: Mapping[TopicPartition, int]) -> None:
        from kafka import TopicPartition as Place

        for place, offset in offsets.items():
            self._consumer.seek(Place(*place), offset)
            self._places[place].until = max(self._places[place].until or 0, offset)

    def _check(self) -> None:
        check_counts(self._consumer, self.config, self.topics)

    # How far it has been read.

    def _apply_pauses(self) -> None:
        waits = {place for place, state in self._places.items() if state.waits}
        pause_only(self._consumer, self._paused | waits)

    def _reached(self) -> dict[TopicPartition, int]:
        """Positions that have just been reached and that somebody waits for."""
        found = {}
        for place, state in self._places.items():
            if state.until is not None and not state.waits:
                position = self._position(place)
                if position is not None and position >= state.until:
                    found[place] = position
                    state.until = None
        return found

    def _position(self, place: TopicPartition) -> int | None:
        return position_of(self._consumer, place, 1_000)

    def _progress(self, busy: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """How far the partitions count as read that gave nothing, because nothing is there."""
        now = self._clock()  # before the brokers are asked: what they have by then was looked at
        if now - self._asked < _ASK_NS:
            return {}
        quiet = [it for it, state in self._places.items() if it not in busy and not state.waits]
        if not quiet:
            return {}
        self._asked = now
        ends = self._ends.ask(quiet)
        self._known_ends.update(ends)
        read = now - int(self.config.margin)
        return {place: read for place, end in ends.items() if self._is_at(place, end)}

    def _is_at(self, place: TopicPartition, end: int) -> bool:
        position = self._position(place)
        # Asking for it may have cost the partition.
        return position is not None and position >= end and place in self._places
