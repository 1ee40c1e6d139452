from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.errors import PayloadError
from sensorium_plugins.modalities._sampling import SampleClock
from sensorium_plugins.modalities._sensor import clip

RATES = st.sampled_from([50.0, 44_100.0, 12.5, 1 / 3, 0.1, 119.88, 1e9])


@given(rate=RATES, elapsed=st.integers(-(10**18), 10**18))
def test_the_first_sample_from_an_instant_is_exact(rate, elapsed):
    clock = SampleClock(rate)
    first = clock.first_from(elapsed)
    assert clock.elapsed(first) >= elapsed
    assert clock.elapsed(first - 1) < elapsed


@given(rate=RATES, sample=st.integers(0, 10**9))
def test_a_sample_is_due_at_its_number_over_the_rate(rate, sample):
    exact = Fraction(sample) / Fraction(str(rate)) * 10**9
    assert 0 <= exact - SampleClock(rate).elapsed(sample) < 1


@given(rate=RATES, elapsed=st.integers(-(10**18), 10**18))
def test_the_nearest_sample_is_at_most_half_a_period_away(rate, elapsed):
    period = Fraction(10**9) / Fraction(str(rate))
    assert abs(SampleClock(rate).nearest(elapsed) * period - elapsed) <= period / 2


@given(
    cuts=st.lists(st.integers(1, 199), unique=True, max_size=6),
    start=st.integers(-50, 250),
    size=st.integers(1, 200),
)
def test_how_a_recording_is_cut_into_chunks_changes_nothing(samples, cuts, start, size):
    clock = SampleClock(50.0)
    period = 20_000_000
    whole = np.arange(200.0)[:, None]
    edges = [0, *sorted(cuts), 200]
    chunks = [(a * period, whole[a:b]) for a, b in itertools.pairwise(edges)]
    wanted = [i for i in range(200) if start <= i < start + size]
    item = samples(chunks, start * period, (start + size) * period)
    if not wanted:
        with pytest.raises(PayloadError, match="has a sample within the set's span"):
            clip(item, clock)
        return
    pieces = clip(item, clock)
    assert np.concatenate([part for _, part in pieces])[:, 0].tolist() == wanted
    assert all(time == part[0, 0] * period for time, part in pieces)


def test_a_sample_holds_until_the_next_is_due(samples):
    slow = SampleClock(1.0)
    item = samples([(0, np.array([[1.0], [2.0], [3.0]]))], 1_500_000_000, 1_900_000_000)
    [(time, held)] = clip(item, slow)
    assert (time, held.tolist()) == (1_500_000_000, [[2.0]])


def test_a_set_at_an_instant_takes_whole_chunks(samples):
    chunk = np.zeros((5, 1))
    assert clip(samples([(-30, chunk)], 7, 7), SampleClock(50.0)) == [(-30, chunk)]
