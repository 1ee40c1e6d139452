from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from sensorium.errors import PayloadError, PluginError
from sensorium.plugin import Fittable, Trainable
from sensorium_plugins.modalities import SensorCnn

SECOND = 1_000_000_000
needs_torch = pytest.mark.torch


def cnn(**config):
    return SensorCnn(SensorCnn.Config(**{"channels": 2, "rate": 50.0, "length": "1s", **config}))


def test_samples_go_to_their_place_and_gaps_are_masked(samples):
    chunk = np.arange(1.0, 21.0).reshape(10, 2)
    item = samples([(0, chunk), (600_000_000, chunk)], 0, SECOND)
    arrays = cnn().prepare([item])
    assert arrays["signal"].shape == (1, 50, 2)
    assert arrays["signal"].dtype == np.float32
    assert np.flatnonzero(arrays["mask"][0]).tolist() == [*range(10), *range(30, 40)]
    assert arrays["signal"][0, 30:40].tolist() == chunk.tolist()
    assert not arrays["signal"][0, 10:30].any()


def test_jitter_moves_a_chunk_to_the_nearest_place(samples):
    chunk = np.ones((1, 2))
    arrays = cnn().prepare([samples([(t, chunk)], 0, SECOND) for t in (9_999_999, 10_000_000)])
    assert [np.flatnonzero(row).tolist() for row in arrays["mask"]] == [[0], [1]]


def test_of_a_long_span_the_end_is_seen(samples):
    chunk = np.arange(200.0).reshape(100, 2)
    arrays = cnn().prepare([samples([(0, chunk)], 0, 2 * SECOND)])
    assert arrays["signal"][0].tolist() == chunk[50:].tolist()


def test_at_an_instant_the_grid_begins_with_the_first_sample(samples):
    arrays = cnn().prepare([samples([(-7, np.ones((60, 2)))], 0, 0)])
    assert arrays["mask"].all()


@pytest.mark.parametrize(("time", "place"), [(SECOND - 1, 49), (-19_000_000, 0)])
def test_the_only_sample_at_an_edge_of_the_span_stays_in_the_grid(samples, time, place):
    arrays = cnn().prepare([samples([(time, np.full((1, 2), 7.0))], 0, SECOND)])
    assert np.flatnonzero(arrays["mask"][0]).tolist() == [place]
    assert arrays["signal"][0, place].tolist() == [7.0, 7.0]


def test_an_item_without_samples_in_the_grid_is_refused(samples):
    with pytest.raises(PayloadError, match="no sample in the last 1s of its set"):
        cnn().prepare([samples([(0, np.ones((5, 2)))], 0, 4 * SECOND)])


@pytest.mark.parametrize("length", ["inf", "20ms", "-1s"])
def test_a_length_of_too_few_or_endless_samples_is_refused(length):
    with pytest.raises(ValidationError, match="make it 8 to 1000000 samples long"):
        SensorCnn.Config(channels=1, rate=50.0, length=length)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")


@pytest.fixture
def arrays(samples):
    random = np.random.default_rng(0)
    items = [samples([(0, 5 + random.normal(size=(n, 2)))], 0, SECOND) for n in (50, 50, 13, 1)]
    return cnn().prepare(items)


@needs_torch
def test_a_fresh_model_is_the_same_every_time(torch, arrays):
    rows = []
    for _ in range(2):
        plugin = cnn(dim=8)
        plugin.load("cpu", None)
        rows.append(plugin.encode(arrays).data)
    assert rows[0].shape == (4, 8)
    assert rows[0].dtype == np.float32
    assert rows[0].tobytes() == rows[1].tobytes()


@needs_torch
def test_a_row_does_not_depend_on_its_batch_nor_on_what_is_masked(torch, arrays):
    plugin = cnn()
    plugin.load("cpu", plugin.fit(arrays))
    together = plugin.encode(arrays).data
    for row in range(4):
        alone = plugin.encode({name: array[row : row + 1] for name, array in arrays.items()}).data
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)
    noisy = {**arrays, "signal": np.where(arrays["mask"][..., None], arrays["signal"], 1e6)}
    noisy["signal"] = noisy["signal"].astype(np.float32)
    np.testing.assert_allclose(plugin.encode(noisy).data, together, atol=1e-5)


@needs_torch
def test_fit_learns_the_scale_of_what_is_there(torch, arrays):
    plugin = cnn()
    assert isinstance(plugin, Fittable)
    assert isinstance(plugin, Trainable)
    weights = plugin.fit(arrays)
    there = arrays["signal"][arrays["mask"]]
    np.testing.assert_allclose(weights["location"], there.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(weights["scale"], there.std(axis=0), rtol=1e-5)


@needs_torch
def test_weights_survive_a_round_trip_and_read_only_arrays_are_taken(torch, arrays):
    plugin = cnn()
    weights = plugin.fit(arrays)
    plugin.load("cpu", weights)
    for array in (*arrays.values(), *weights.values()):
        array.flags.writeable = False
    again = cnn()
    again.load("cpu", weights)
    assert again.encode(arrays).data.tobytes() == plugin.encode(arrays).data.tobytes()


@needs_torch
def test_weights_of_another_configuration_are_refused(torch, arrays):
    weights = cnn(dim=8).fit(arrays)
    with pytest.raises(
        PluginError, match=r"project.weight has shape \(8, 128\), expected \(64, 128\)"
    ):
        cnn().load("cpu", weights)
    with pytest.raises(PluginError, match="location is missing"):
        cnn().load("cpu", {})


@needs_torch
def test_it_trains_by_gradient(torch, arrays):
    module = cnn().module()
    module(
        **{name: torch.tensor(array) for name, array in arrays.items()}
    ).square().sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in module.parameters())
