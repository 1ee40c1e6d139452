"""Which member reads what, and records that are stamped ahead of the clock."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from kafka.consumer.fetcher import ConsumerRecord

from sensorium_plugins.sources._kafka_assignor import share_out
from sensorium_plugins.sources._kafka_places import KafkaPlace

MS = 1_000_000


@given(
    count=st.integers(0, 20),
    owned=st.dictionaries(
        st.sampled_from("abcdef"), st.lists(st.integers(0, 25), max_size=12), min_size=1
    ),
)
def test_shares_are_even_whole_and_apart(count: int, owned: dict[str, list[int]]) -> None:
    shares = share_out(range(count), owned)
    assert sorted(it for share in shares.values() for it in share) == list(range(count))
    assert shares.keys() == owned.keys()
    sizes = {len(share) for share in shares.values()}
    assert max(sizes) - min(sizes) <= 1


def test_a_new_member_takes_no_more_than_its_share() -> None:
    before = {"a": [0, 1, 2], "b": [3, 4, 5]}
    shares = share_out(range(6), {**before, "c": []})
    assert len(shares["c"]) == 2
    assert set(shares["a"]) < set(before["a"])
    assert set(shares["b"]) < set(before["b"])


def test_who_comes_back_gets_its_own_again() -> None:
    owned = {"a": [1, 4], "b": [0, 5], "c": [2, 3]}
    assert share_out(range(6), owned) == owned


def record(offset: int, ms: int, kind: int = 0) -> Any:
    return ConsumerRecord("t", 0, 0, offset, ms, kind, None, b"", [], None, -1, 0, -1)


def test_a_record_ahead_of_the_clock_waits_and_what_follows_with_it() -> None:
    place = KafkaPlace()
    given_now = place.give([record(0, 5), record(1, 9), record(2, 6)], 7 * MS)
    assert [it.offset for it in given_now] == [0]
    assert place.waits
    assert place.give([], 8 * MS) == []
    later = place.give([record(3, 7)], 9 * MS)
    assert [(it.offset, it.arrived) for it in later] == [(1, 9 * MS), (2, 9 * MS), (3, 9 * MS)]
    assert not place.waits


def test_the_brokers_stamp_is_not_held_against_the_clock() -> None:
    place = KafkaPlace()
    assert len(place.give([record(0, 100, kind=1)], 7 * MS)) == 1
