"""Counting by bucket."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensorium.observe import Histogram

BOUNDS = (0.1, 1.0, 10.0)


def test_a_value_on_a_bound_lies_below_it_and_one_above_all_in_a_bucket_of_its_own() -> None:
    histogram = Histogram(BOUNDS)
    for value in (0.1, 0.2, 1.0, 11.0):
        histogram.add(value)
    assert histogram.counts == [1, 2, 0, 1]
    assert histogram.sum == 12.3


@given(st.lists(st.floats(-5, 20), max_size=50))
def test_many_at_once_are_counted_as_one_by_one(values: list[float]) -> None:
    one, many = Histogram(BOUNDS), Histogram(BOUNDS)
    for value in values:
        one.add(value)
    many.add_all(np.array(values, np.float64))
    assert many.counts == one.counts
    assert np.isclose(many.sum, one.sum)


def test_a_copy_stays_as_it_was() -> None:
    histogram = Histogram(BOUNDS)
    before = histogram.copy()
    histogram.add(0.5, times=3)
    assert (before.counts, before.sum) == ([0, 0, 0, 0], 0.0)
    assert (histogram.counts, histogram.sum) == ([0, 3, 0, 0], 1.5)
