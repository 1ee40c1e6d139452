"""What a group has committed is read as one cut, though it is asked for one by one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import pytest
from kafka import OffsetAndMetadata
from kafka import TopicPartition as Place

from sensorium.errors import CommitError, RunError
from sensorium.plugin import Cut, CutPosition, TopicPartition
from sensorium_plugins.sources import _kafka_cuts
from sensorium_plugins.sources._kafka_config import KafkaSourceConfig

A, B = TopicPartition("a", 0), TopicPartition("b", 0)
CONFIG = KafkaSourceConfig(bootstrap_servers="127.0.0.1:1", group="g", start="earliest")


def cut(serial: int) -> Cut:
    return Cut(serial, {place: CutPosition(serial, serial, serial) for place in (A, B)}, "f", None)


class Group:
    """Answers each question by the next of some cuts."""

    def __init__(self, cuts: Iterator[Cut | None]) -> None:
        self.cuts = cuts

    def committed(self, place: Place, *, metadata: bool, timeout_ms: int) -> Any:
        assert metadata
        assert timeout_ms > 0  # without one the client waits for ever
        found = next(self.cuts)
        if found is None:
            return None
        mine = TopicPartition(*place[:2])
        return OffsetAndMetadata(found.positions[mine].offset, found.metadata(mine), -1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_kafka_cuts, "_PAUSE_SECONDS", 0.0)


def test_a_transaction_that_ends_in_between_is_seen_whole() -> None:
    group = Group(iter([cut(1), cut(2), cut(2), cut(2)]))
    assert _kafka_cuts.stored_cuts(group, CONFIG, [A, B]) == {0: cut(2)}


def test_cuts_that_stay_different_are_refused() -> None:
    group = Group(chain.from_iterable(repeat([cut(1), cut(2)])))
    with pytest.raises(RunError, match="of different cuts"):
        _kafka_cuts.stored_cuts(group, CONFIG, [A, B])


def test_what_the_group_has_not_committed_has_no_cut() -> None:
    assert _kafka_cuts.stored_cuts(Group(repeat(None)), CONFIG, [A, B]) == {}


def test_what_was_told_is_confirmed() -> None:
    _kafka_cuts.confirm_cuts(
        Group(repeat(cut(3))), CONFIG, [A, B, TopicPartition("a", 1)], {0: cut(3)}
    )
    _kafka_cuts.confirm_cuts(Group(repeat(None)), CONFIG, [A, B], {0: None})


@pytest.mark.parametrize("told", [cut(2), None])
def test_an_answer_that_was_old_is_refused(told: Cut | None) -> None:
    with pytest.raises(CommitError, match=r"numbers \[0\].*other cuts"):
        _kafka_cuts.confirm_cuts(Group(repeat(cut(3))), CONFIG, [A, B], {0: told})
