"""What a user sees of an `Aligner` besides the sets' members: ids, order, clock, memory, errors."""

from __future__ import annotations

import pytest

from sensorium.align import Aligner, Exact, StreamSpec, Window
from sensorium.errors import AlignmentError
from sensorium.events import Event, Fate

TWO = {"a": StreamSpec(), "b": StreamSpec()}


def ids(pipeline: str, streams: dict[str, StreamSpec] = TWO) -> list[str]:
    aligner = Aligner(Exact(require="any"), streams=streams, pipeline=pipeline)
    sets = aligner.add(Event("a", "k", 1, arrived=1)) + aligner.add(Event("a", "k", 2, arrived=2))
    return [aligned.id for aligned in sets + aligner.close()]


def test_the_same_set_has_the_same_id_in_every_run() -> None:
    assert ids("p") == ids("p")
    assert len(set(ids("p"))) == 2


def test_sets_of_another_pipeline_have_other_ids() -> None:
    assert set(ids("p")).isdisjoint(ids("q"))


def test_an_event_without_a_log_time_arrives_when_the_clock_says() -> None:
    now = 10
    aligner = Aligner(
        Exact(require="any"), streams={"a": StreamSpec(max_delay=4)}, clock=lambda: now
    )
    assert [one.time for one in aligner.add(Event("a", "k", 6))] == [6]
    now = 20
    assert aligner.add(Event("a", "k", 15)) == []
    assert aligner.fates[Fate.LATE] == 1


def test_members_come_in_the_order_of_their_times_and_of_the_streams() -> None:
    aligner = Aligner(Window(size=10), streams={"b": StreamSpec(lateness="inf"), "a": StreamSpec()})
    for event in [("a", 1), ("b", 7), ("b", 3)]:
        aligner.add(Event(event[0], "k", event[1], arrived=10))
    (aligned,) = aligner.close()
    assert list(aligned.members) == ["b", "a"]
    assert [event.time for event in aligned.members["b"]] == [3, 7]


def test_pending_events_count_as_pending() -> None:
    aligner = Aligner(Exact(), streams=TWO)
    aligner.add(Event("a", "k", 1, arrived=1))
    assert aligner.fates == {Fate.PENDING: 1}
    aligner.add(Event("b", "k", 1, arrived=1))
    assert {fate: n for fate, n in aligner.fates.items() if n} == {Fate.MATCHED: 2}


def test_a_key_is_forgotten_when_every_stream_is_one_horizon_further() -> None:
    limits = StreamSpec(max_delay=4, max_future=2, max_duration=0)
    aligner = Aligner(Exact(), streams={"a": limits, "b": limits})
    aligner.add(Event("a", "k", 5, arrived=5))
    # The horizon is 4 + 2 + 1.
    aligner.progress("a", 1000)
    aligner.progress("b", 12)
    assert aligner.keys == 1
    aligner.progress("b", 13)
    assert aligner.keys == 0


def test_many_keys_that_come_once_do_not_pile_up() -> None:
    limits = StreamSpec(max_delay=4, max_future=2, max_duration=0)
    aligner = Aligner(Exact(require="any"), streams={"a": limits})
    for time in range(1000):
        aligner.add(Event("a", f"key {time}", time, arrived=time))
        assert aligner.keys <= 10
    assert aligner.fates[Fate.MATCHED] == 1000


def test_an_event_of_an_unknown_stream_is_refused_by_name() -> None:
    with pytest.raises(AlignmentError, match="'c'"):
        Aligner(Exact(), streams=TWO).add(Event("c", "k", 1, arrived=1))


def test_an_aligner_without_streams_is_refused() -> None:
    with pytest.raises(AlignmentError, match="stream"):
        Aligner(Exact(), streams={})
