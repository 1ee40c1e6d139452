"""Readings of irregular times on a regular grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sensorium.errors import PayloadError
from sensorium_plugins.modalities import SensorGru

SECOND = 1_000_000_000


def gru(**config):
    return SensorGru(SensorGru.Config(**{"channels": 1, "rate": 10.0, "length": "2s", **config}))


def test_irregular_readings_are_joined_by_lines_and_gaps_stay_masked(samples):
    times = [0, 210_000_000, 490_000_000, 1_600_000_000, 1_900_000_000]
    item = samples([(time, np.array([[time / SECOND]])) for time in times], 0, 2 * SECOND)
    alone = gru().prepare([item])
    assert np.flatnonzero(alone["mask"][0]).tolist() == [0, 2, 5, 16, 19]
    bridged = gru(bridge="500ms").prepare([item])
    assert np.flatnonzero(bridged["mask"][0]).tolist() == [0, 1, 2, 3, 4, 5, 16, 17, 18, 19]
    there = bridged["mask"][0]
    expected = np.arange(20)[there] / 10
    np.testing.assert_allclose(bridged["signal"][0, there, 0], expected, atol=0.011)


def test_a_bridge_longer_than_the_grid_is_refused():
    with pytest.raises(ValidationError, match="bridge is not within 0 and length 2s"):
        gru(bridge="3s")


RATES = st.sampled_from([10.0, 12.5, 1 / 3 + 7, 119.88, 0.30000000000000004 * 30])
#: The start of a set, its span, and per chunk when it begins and how many samples it has.
SETS = st.lists(
    st.tuples(
        st.integers(-5, 5),
        st.sampled_from([0, SECOND, 2 * SECOND + 1, 3 * SECOND]),
        st.lists(st.tuples(st.integers(-(3 * SECOND), 5 * SECOND), st.integers(1, 30)),
                 min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


@given(RATES, SETS, st.sampled_from([0, 1_700_000_000 * SECOND, -(2**61), 2**62]))
@settings(max_examples=300, deadline=None)
def test_a_batch_of_sets_lies_in_the_grid_as_each_alone_does(samples, rate, sets, epoch):
    modality = gru(rate=rate, length="2s")
    items, expected = [], []
    for number, (start, span, chunks) in enumerate(sets):
        # Every sample is another number, so that it shows where it went.
        given_chunks = [
            (epoch + time, 1.0 + np.arange(size)[:, None] + 100 * at + 1000 * number)
            for at, (time, size) in enumerate(sorted(chunks))
        ]
        item = samples(given_chunks, epoch + start, epoch + start + span)
        try:
            placed = modality._placed(item)
        except PayloadError:
            continue
        if not placed:
            continue
        row = np.zeros((modality._length, 1), np.float32)
        for at, run in placed:
            row[at : at + len(run)] = run
        items.append(item)
        expected.append(row)
    if not items:
        return
    arrays = modality.prepare(items)
    np.testing.assert_array_equal(arrays["signal"], np.stack(expected))
    np.testing.assert_array_equal(arrays["mask"], np.stack(expected)[..., 0] > 0)


def test_numbers_beyond_64_bits_are_placed_exactly(samples):
    # The period has a denominator of 10**16, and the grid of 8 s does not fit.
    modality = gru(rate=1.0000000000000002, length="8s")
    item = samples([(3 * SECOND, np.array([[1.0], [2.0]]))], 0, 8 * SECOND)
    assert modality.prepare([item])["signal"][0, :, 0].tolist() == [0, 0, 0, 1, 2, 0, 0, 0]
