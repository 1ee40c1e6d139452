"""Reading ahead: whose cuts are looked for, and what goes wrong costs nothing but the lead."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition as Place
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from kafka.structs import OffsetAndMetadata

from sensorium.plugin import Cut, CutPosition, TopicPartition
from sensorium_plugins.sources import _kafka_ahead
from sensorium_plugins.sources._kafka_ahead import ReadAhead
from sensorium_plugins.sources._kafka_config import KafkaSourceConfig
from sensorium_plugins.sources._kafka_consumer import member_client_id

CONFIG = KafkaSourceConfig(bootstrap_servers="localhost:1", start="earliest", group="g")
A, B = TopicPartition("a", 1), TopicPartition("b", 1)


def cut(serial: int = 3) -> Cut:
    return Cut(serial, {A: CutPosition(10, 14, 5), B: CutPosition(7, 7, 5)}, "f")


def member(client_id: str, *numbers: int) -> dict[str, Any]:
    topics = [{"topic": topic, "partitions": list(numbers)} for topic in "ab"]
    return {"client_id": client_id, "member_assignment": {"assigned_partitions": topics}}


class Admin:
    """A group with these members and commits."""

    def __init__(self, members: list[Any], commits: dict[TopicPartition, Any]) -> None:
        self.members = members
        self.commits = commits
        self.asked: list[Any] = []
        self.closed = False

    def describe_groups(self, groups: list[str]) -> Any:
        return {group: {"members": self.members} for group in groups}

    def list_group_offsets(self, wanted: dict[str, list[Any]]) -> Any:
        ((group, places),) = wanted.items()
        self.asked = places
        nothing = OffsetAndMetadata(-1, "", -1)
        return {group: {place: self.commits.get(place, nothing) for place in places}}

    def close(self) -> None:
        self.closed = True


def commits(*cuts: Cut) -> dict[TopicPartition, Any]:
    return {
        place: OffsetAndMetadata(it.offset, one.metadata(place), -1)
        for one in cuts
        for place, it in one.positions.items()
    }


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is foreseen in a group."""

    def find(admin: Admin, config: KafkaSourceConfig = CONFIG) -> Any:
        monkeypatch.setattr(_kafka_ahead, "admin_client", lambda config: admin)
        ahead = ReadAhead.of_predecessor(config, ["a", "b"])
        return None if ahead is None else ahead.cuts

    return find


def test_only_what_this_host_has_had_is_foreseen(found: Any) -> None:
    members = [
        member("sensorium-elsewhere", 0),
        member(member_client_id(), 1),
        {"client_id": member_client_id(), "member_assignment": ""},
    ]
    admin = Admin(members, commits(cut()))
    assert found(admin) == {1: cut()}
    assert admin.asked == [Place("a", 1), Place("b", 1)]
    assert admin.closed


@pytest.mark.parametrize(
    "admin",
    [
        Admin([], commits(cut())),
        Admin([member("sensorium-elsewhere", 1)], commits(cut())),
        Admin([member(member_client_id(), 1)], {}),
        # Offsets of different cuts, and such as something else has committed.
        Admin([member(member_client_id(), 1)], {**commits(cut()), B: commits(cut(4))[B]}),
        Admin([member(member_client_id(), 1)], {A: OffsetAndMetadata(1, "theirs", -1)}),
    ],
)
def test_nothing_is_foreseen(found: Any, admin: Admin) -> None:
    assert found(admin) is None
    assert admin.closed


def test_who_has_a_name_in_the_group_is_not_waited_for(found: Any) -> None:
    admin = Admin([member(member_client_id(), 1)], commits(cut()))
    assert found(admin, CONFIG.model_copy(update={"group_instance_id": "me"})) is None


def test_a_broker_that_does_not_answer_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(config: Any) -> Any:
        raise KafkaConnectionError("refused")

    monkeypatch.setattr(_kafka_ahead, "admin_client", refused)
    assert ReadAhead.of_predecessor(CONFIG, ["a", "b"]) is None


class Consumer:
    """Gives what it is told to, or raises it."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.positions: dict[Any, int] = {}
        self.paused: set[Any] = set()
        self.closed = False

    def assign(self, places: list[Any]) -> None:
        self.positions = dict.fromkeys(places, 0)

    def assignment(self) -> set[Any]:
        return set(self.positions)

    def seek(self, place: Any, offset: int) -> None:
        self.positions[place] = offset

    def pause(self, place: Any) -> None:
        self.paused.add(place)

    def resume(self, place: Any) -> None:
        self.paused.discard(place)

    def poll(self, timeout_ms: int, max_records: int) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self, autocommit: bool) -> None:
        self.closed = True


def records(*offsets: int, stamp: int = 1, kind: int = 1) -> dict[Any, list[Any]]:
    blank = dict.fromkeys(ConsumerRecord._fields)
    return {
        Place("a", 1): [
            ConsumerRecord(
                **{**blank, "topic": "a", "partition": 1, "offset": offset, "timestamp": stamp,
                   "timestamp_type": kind, "value": b"", "headers": []}
            )
            for offset in offsets
        ]
    }  # fmt: skip


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Any:
    def read(*answers: Any) -> Any:
        consumer = Consumer(*answers)
        monkeypatch.setattr(_kafka_ahead, "open_consumer", lambda config: consumer)
        return SimpleNamespace(ahead=ReadAhead(CONFIG, {1: cut()}), consumer=consumer)

    return read


def test_it_reads_up_to_the_cuts_and_no_further(reading: Any) -> None:
    it = reading(records(10, 11), records(12, 13, 14, 15))
    assert [one.offset for one in it.ahead.poll(10, 0.0, 10**18)] == [10, 11]
    assert it.consumer.positions == {Place(*A): 10, Place(*B): 7}
    assert it.consumer.paused == {Place(*B)}
    assert not it.ahead.finished
    assert [one.offset for one in it.ahead.poll(10, 0.0, 10**18)] == [12, 13]
    assert it.ahead.finished
    assert it.ahead.records == 4
    assert it.consumer.closed


def test_what_its_producer_stamped_ahead_of_the_clock_is_left_for_later(reading: Any) -> None:
    ahead_of_clock = records(11, stamp=10**9, kind=0)[Place("a", 1)]
    it = reading({Place("a", 1): records(10)[Place("a", 1)] + ahead_of_clock})
    assert [one.offset for one in it.ahead.poll(10, 0.0, 10**6)] == [10]
    assert it.ahead.finished


@pytest.mark.parametrize("error", [TopicAuthorizationFailedError("no"), ValueError("broken bytes")])
def test_an_error_ends_it_and_nothing_else(reading: Any, error: Exception) -> None:
    it = reading(records(10), error)
    assert len(it.ahead.poll(10, 0.0, 10**18)) == 1
    assert it.ahead.poll(10, 0.0, 10**18) == []
    assert it.ahead.finished
    assert it.consumer.closed
    # Its places stay: what has been read of them counts.
    assert set(it.ahead.places) == {A, B}


def test_brokers_that_are_gone_for_a_moment_do_not_end_it(reading: Any) -> None:
    it = reading(KafkaConnectionError("gone"), records(10))
    assert it.ahead.poll(10, 0.0, 10**18) == []
    assert len(it.ahead.poll(10, 0.0, 10**18)) == 1
