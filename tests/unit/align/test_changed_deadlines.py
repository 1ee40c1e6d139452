"""A deadline that is changed: what was read before keeps the one that it had."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.align import Aligner, Exact
from sensorium.events import Event
from sensorium.plugin import Deadlines, StreamSpec

TIMES = st.integers(-5, 60)


@st.composite
def deadlines(draw: st.DrawFn) -> Deadlines:
    changes = draw(st.dictionaries(st.integers(0, 50), st.integers(0, 30), max_size=4))
    return Deadlines(draw(st.integers(0, 30)), tuple(sorted(changes.items())))


@given(deadlines(), TIMES, TIMES)
def test_none_is_due_before_what_counts_from_earlier(it: Deadlines, one: int, two: int) -> None:
    assert it.due(min(one, two)) <= it.due(max(one, two))
    assert it.due(one) >= one


@given(deadlines(), TIMES, TIMES)
def test_overdue_is_the_inverse_of_due(it: Deadlines, base: int, log_time: int) -> None:
    assert (base < it.overdue(log_time)) == (it.due(base) < log_time)


@given(deadlines(), TIMES, TIMES, st.integers(0, 30), TIMES)
def test_what_is_left_out_matters_no_more(
    it: Deadlines, log_time: int, base: int, now: int, until: int
) -> None:
    for one in (it, it.then(now, until)):
        left = one.after(log_time)
        if base >= log_time:
            assert left.due(base) == one.due(base)
        assert Deadlines.parse(str(left)) == left


@given(deadlines(), st.integers(0, 30), TIMES, TIMES)
def test_another_one_changes_nothing_of_what_was_read(
    it: Deadlines, now: int, until: int, base: int
) -> None:
    if it.earlier:
        until = max(until, it.earlier[-1][0])
    then = it.then(now, until)
    assert then.now == now
    if base <= until:
        assert then.due(base) == it.due(base)
    assert it.then(now, None).earlier == it.earlier or it.now == now


def test_a_set_waits_as_long_as_its_deadline_was() -> None:
    """It was 10 until 100, and is 2."""
    aligner = Aligner(
        Exact(require="any", deadline=2),
        {"a": StreamSpec(), "b": StreamSpec()},
        deadlines=Deadlines(2, ((100, 10),)),
    )
    came: dict[int, int] = {}
    for now in range(95, 130):
        if now in (95, 99, 101, 120):
            aligner.add(Event("a", "k", now, 0, arrived=now))
        for stream in "ab":
            came |= {one.time: now for one in aligner.progress(stream, now)}
    # Log time has to be greater; and what is later by a moment does not come out before.
    assert came == {95: 106, 99: 110, 101: 111, 120: 123}


def test_what_is_no_deadline_is_refused() -> None:
    for text in ("soon", "5@", "5@1@2,3", ""):
        with pytest.raises(ValueError, match=r"invalid literal|unpack"):
            Deadlines.parse(text)
