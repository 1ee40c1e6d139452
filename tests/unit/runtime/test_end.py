"""A run until the end is over when all that is read has been at its end, and nothing before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sensorium.plugin import Batch, TopicPartition
from sensorium.runtime._end import EndWatch

A, B = TopicPartition("a", 0), TopicPartition("b", 0)


def intake(*places: TopicPartition, caught_up: bool = True) -> Any:
    return SimpleNamespace(places=set(places), caught_up=caught_up)


def at_end(*places: TopicPartition) -> Batch:
    return Batch(progress=dict.fromkeys(places, 1))


def test_all_have_to_be_at_their_end_at_some_time() -> None:
    end = EndWatch(intake(A, B), asked=True)
    assert not end.reached(at_end(A))
    assert not end.reached(Batch())
    assert end.reached(at_end(B))


def test_nothing_that_is_read_is_no_end() -> None:
    assert not EndWatch(intake(), asked=True).reached(at_end(A))


def test_nobody_is_told_who_has_not_asked() -> None:
    assert not EndWatch(intake(A), asked=False).reached(at_end(A))


def test_what_is_shared_out_anew_has_to_be_at_its_end_again() -> None:
    end = EndWatch(intake(A, B), asked=True)
    end.reached(at_end(A))
    end.begin_again()
    assert not end.reached(at_end(B))
    assert end.reached(at_end(A))


def test_what_waits_for_a_restart_to_catch_up_is_not_left_behind() -> None:
    it = intake(A, caught_up=False)
    end = EndWatch(it, asked=True)
    assert not end.reached(at_end(A))
    it.caught_up = True
    assert end.reached(Batch())
