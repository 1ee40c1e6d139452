"""Readings of irregular times on a regular grid."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

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
