from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sensorium.errors import PayloadError
from sensorium.plugin import Payload
from sensorium_plugins.modalities import SensorStats

SECOND = 1_000_000_000


def stats(channels=3, rate=50.0):
    return SensorStats(SensorStats.Config(channels=channels, rate=rate))


def columns(plugin, item):
    row = plugin.encode(plugin.prepare([item])).data[0]
    return dict(zip(plugin.feature_names, row.tolist(), strict=True))


@pytest.mark.parametrize(
    ("channels", "data", "shape"),
    [
        (3, np.zeros((5, 3), dtype=np.float32), (5, 3)),
        (3, np.zeros((5, 3), dtype=">i2"), (5, 3)),
        (3, [[1, 2, 3], [4, 5, 6]], (2, 3)),
        (3, [1, 2, 3], (1, 3)),
        (1, [1, 2, 3, 4], (4, 1)),
        (1, 21.5, (1, 1)),
    ],
)
def test_chunks_come_in_several_forms(channels, data, shape):
    value = stats(channels).decode(Payload(data))
    assert value.shape == shape
    assert value.dtype in (np.float32, np.float64)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("1,2,3", "an array or a list of numbers, not str"),
        (b"\x00", "not bytes"),
        (None, "not NoneType"),
        ([[1, 2, 3], [4]], "differ in their number of channels"),
        ([["1", "2", "3"]], "something that is not a number"),
        ([[True, False, True]], "something that is not a number"),
        (
            [[1, 2]],
            r"has shape \(1, 2\); expected \(samples, 3\), as `channels` of the stream is 3",
        ),
        ([], r"has shape \(0,\)"),
        (np.zeros((0, 3)), r"has shape \(0, 3\)"),
        ([[1.0, 2.0, float("nan")]], "NaN, infinite or beyond 1e18"),
        ([[1.0, 2.0, float("-inf")]], "NaN, infinite or beyond 1e18"),
        ([[1.0, 2.0, 1e30]], "NaN, infinite or beyond 1e18"),
    ],
)
def test_what_is_not_a_chunk_is_refused_with_the_reason(data, message):
    with pytest.raises(PayloadError, match=message):
        stats().decode(Payload(data))


def test_a_chunk_lasts_as_long_as_its_samples():
    assert stats(rate=50).duration(np.zeros((25, 3))) == SECOND // 2
    assert stats(rate=3).duration(np.zeros((1, 3))) == 333_333_333


def test_the_statistics_are_those_that_numpy_gives(samples):
    values = np.random.default_rng(0).normal(size=(100, 3))
    found = columns(stats(), samples([(0, values)], 0, 2 * SECOND))
    assert found["mean_1"] == pytest.approx(values[:, 1].mean(), abs=1e-6)
    assert found["std_2"] == pytest.approx(values[:, 2].std(), abs=1e-6)
    assert found["rms_0"] == pytest.approx(np.sqrt((values[:, 0] ** 2).mean()), abs=1e-6)
    assert found["min_0"] == pytest.approx(values[:, 0].min(), abs=1e-6)
    for quantile in (5, 25, 50, 75, 95):
        expected = np.percentile(values[:, 0], quantile)
        assert found[f"q{quantile:02d}_0"] == pytest.approx(expected, abs=1e-6)
    steps = np.diff(values[:, 0])
    assert found["diff_mean_0"] == pytest.approx(np.abs(steps).mean(), abs=1e-6)
    assert found["diff_std_0"] == pytest.approx(steps.std(), abs=1e-6)
    assert found["diff_max_0"] == pytest.approx(np.abs(steps).max(), abs=1e-6)
    covariance = np.cov(values.T, bias=True)
    assert found["covariance_0_2"] == pytest.approx(covariance[0, 2], abs=1e-6)
    assert found["correlation_1_2"] == pytest.approx(np.corrcoef(values.T)[1, 2], abs=1e-6)
    norm = np.linalg.norm(values, axis=1)
    assert found["norm_mean"] == pytest.approx(norm.mean(), abs=1e-6)
    assert found["norm_std"] == pytest.approx(norm.std(), abs=1e-6)
    assert found["coverage"] == 1
    assert found["seconds"] == 2


def test_crossings_are_the_share_of_neighbours_on_different_sides_of_the_mean(samples):
    values = np.array([[0.0], [2.0], [0.0], [2.0], [2.0]]) + 7
    assert columns(stats(1), samples([(0, values)]))["crossings_0"] == 0.75


def test_samples_out_of_the_span_do_not_count_and_gaps_show_in_the_coverage(samples):
    values = np.ones((50, 3))
    item = samples([(0, values * 100), (SECOND, values)], SECOND, 3 * SECOND)
    found = columns(stats(), item)
    assert found["max_0"] == 1
    assert found["coverage"] == 0.5
    assert found["seconds"] == 1


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(1, 9))
@settings(max_examples=50, deadline=None)
def test_a_row_has_the_same_bits_whatever_it_is_prepared_with(samples, lengths, channels):
    random = np.random.default_rng(sum(lengths))
    plugin = stats(channels)
    items = [samples([(0, random.normal(size=(n, channels)) * 50)], 0, SECOND) for n in lengths]
    together = plugin.prepare(items)["stats"]
    alone = np.concatenate([plugin.prepare([item])["stats"] for item in items])
    assert together.tobytes() == alone.tobytes()
    assert np.isfinite(together).all()


def test_extreme_readings_stay_finite(samples):
    values = np.array([[1e18, -1e18, 0.0], [-1e18, 1e18, 0.0]])
    assert np.isfinite(stats().prepare([samples([(0, values)])])["stats"]).all()


def test_no_items_give_no_rows():
    plugin = stats()
    assert plugin.prepare([])["stats"].shape == (0, plugin.feature.dim)


@pytest.mark.parametrize("config", [{"channels": 0, "rate": 1}, {"channels": 1, "rate": 0}])
def test_channels_and_rate_are_positive(config):
    with pytest.raises(ValidationError, match="greater than"):
        SensorStats.Config(**config)


def test_differences_do_not_reach_across_a_gap(samples):
    plugin = stats(channels=1)
    low, high = np.zeros((10, 1)), np.full((10, 1), 100.0)
    beside = columns(plugin, samples([(0, low), (SECOND // 5, high)], 0, SECOND))
    apart = columns(plugin, samples([(0, low), (SECOND // 2, high)], 0, SECOND))
    assert beside["diff_max_0"] == 100.0
    assert apart["diff_max_0"] == 0.0
    assert apart["crossings_0"] == 0.0
    assert apart["mean_0"] == beside["mean_0"] == 50.0
