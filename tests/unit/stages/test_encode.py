"""Encode: one row per set, culprits found, and the same bits in every batch."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.events import Absence, AlignedSet
from sensorium.plugin import Features, FeatureSpec
from sensorium.stages import Encoder

MakeSet = Callable[..., AlignedSet]


def test_rows_without_events_are_zeros_and_never_reach_the_modality(
    plugins: SimpleNamespace, make_set: MakeSet
) -> None:
    modality = plugins.Numbers()
    sets = [make_set("a", s=[[1, 2, 3]]), make_set("b", s=None), make_set("c", s=[[4, 5, 6]])]
    batch = Encoder({"s": modality}).encode(sets)
    assert batch.present["s"].tolist() == [True, False, True]
    assert modality.prepared == modality.encoded == [2]
    np.testing.assert_array_equal(batch.features["s"].data[1], np.zeros(5))
    assert batch.features["s"].data[2].any()


def test_a_batch_without_a_stream_calls_nothing(
    plugins: SimpleNamespace, make_set: MakeSet
) -> None:
    numbers, steps = plugins.Numbers(), plugins.Steps()
    batch = Encoder({"n": numbers, "s": steps}).encode([make_set("a", n=None, s=None)])
    assert numbers.prepared == steps.prepared == []
    assert batch.features["n"].data.shape == (1, 5)
    assert batch.features["s"].data.shape == (1, 1, 1)
    assert not batch.features["s"].mask.any()


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (-1, "numbers.prepare: the first number is -1"),
        (-2, "numbers.encode raised RuntimeError at conftest.py"),
        (-3, "numbers.encode gave NaN or infinity"),
    ],
)
def test_a_culprit_is_absent_and_buried_and_the_others_go_on(
    plugins: SimpleNamespace, make_set: MakeSet, number: int, message: str
) -> None:
    values = [[float(i), 1, 1] for i in range(1, 8)]
    values[4][0] = number
    sets = [make_set(f"set{i}", s=[value], t=[[1, 1, 1]]) for i, value in enumerate(values)]
    batch = Encoder({"s": plugins.Numbers(), "t": plugins.Numbers()}).encode(sets)
    assert batch.present["s"].tolist() == [True] * 4 + [False] + [True] * 2
    assert batch.present["t"].all()
    assert not batch.features["s"].data[4].any()
    marked = batch.mark(sets)
    assert marked[4].absent == {"s": Absence.FAILED}
    assert list(marked[4].members) == ["t"]
    assert marked[:4] == sets[:4]
    (letter,) = batch.letters(sets)
    assert letter.message.startswith(message)
    assert letter.message.endswith("(set set4 of s/0/set40)")
    assert (letter.stage, letter.stream, letter.plugin) == ("encode", "s", "numbers")
    assert (letter.key, letter.origin, letter.data) == ("k", "s/0/set40", None)


def test_prepare_failures_never_quote_the_payload(
    plugins: SimpleNamespace, make_set: MakeSet
) -> None:
    class Quoting(plugins.Numbers):
        def prepare(self, items: Any) -> Any:
            raise ValueError(f"bad value {items[0].values}")

    sets = [make_set("a", s=[[31337, 1, 1]])]
    (letter,) = Encoder({"s": Quoting()}).encode(sets).letters(sets)
    assert "31337" not in letter.message


FAULTS: list[tuple[Callable[[Features], Any], str]] = [
    (lambda f: Features(f.data[:-1]), r"gave data of shape \(0, 5\); declared is \(1, 5\)"),
    (lambda f: Features(f.data[:, :4]), r"gave data of shape \(1, 4\); declared is \(1, 5\)"),
    (lambda f: Features(f.data.astype(np.float64)), "dtype float64; declared is float32"),
    (lambda f: Features(f.data, np.ones((1, 5), bool)), "gave a mask; its features are vectors"),
    (lambda f: f.data, "must give Features of numpy arrays"),
]


@pytest.mark.parametrize(("change", "message"), FAULTS)
def test_features_that_are_not_as_declared_are_refused_by_name(
    plugins: SimpleNamespace, make_set: MakeSet, change: Callable[[Features], Any], message: str
) -> None:
    class Wrong(plugins.Numbers):
        def encode(self, arrays: Any) -> Any:
            return change(super().encode(arrays))

    sets = [make_set("a", s=[[1, 1, 1]])]
    (failed,) = Encoder({"s": Wrong()}).encode(sets).failed
    assert failed.failure.error == "PluginError"
    assert re.search(message, failed.failure.message)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "must give a mapping of arrays"),
        ({"x": [1]}, "gave list as 'x'"),
        ({"x": np.array([{}])}, "with the dtype object"),
        ({"x": np.zeros((2, 3))}, r"of shape (2, 3) for 1 items"),
    ],
)
def test_arrays_that_cannot_cross_a_process_are_refused_by_name(
    plugins: SimpleNamespace, make_set: MakeSet, arrays: Any, message: str
) -> None:
    class Wrong(plugins.Numbers):
        def prepare(self, items: Any) -> Any:
            return arrays

    sets = [make_set("a", s=[[1, 1, 1]])]
    (failed,) = Encoder({"s": Wrong()}).encode(sets).failed
    assert message in failed.failure.message


def test_sequences_of_different_parts_are_joined_under_one_mask(
    plugins: SimpleNamespace, make_set: MakeSet
) -> None:
    sets = [make_set("a", s=[[1, 5, 6]]), make_set("b", s=[[3, 5, 6]]), make_set("c", s=None)]
    batch = Encoder({"s": plugins.Steps()}, sizes={"s": 1}).encode(sets)
    features = batch.features["s"]
    assert features.mask.tolist() == [[True, False, False], [True, True, True], [False] * 3]
    assert features.data[1, :, 0].tolist() == [3, 5, 6]


@pytest.fixture
def per_event(plugins: SimpleNamespace) -> type:
    class PerEvent(plugins.Numbers):
        per = "event"

    return PerEvent


def test_an_event_is_encoded_once_and_pooled_per_set(per_event: type, make_set: MakeSet) -> None:
    modality = per_event()
    encoder = Encoder({"s": modality})
    first = make_set("a", s=[[1, 2, 3], [4, 5, 6]])
    encoder.encode([first])
    batch = encoder.encode([first, make_set("b", s=[[1, 0, 0]])])
    assert modality.encoded == [2, 1]
    expected = np.mean(np.array([[1, 2, 3], [4, 5, 6]]) @ modality.matrix, axis=0)
    np.testing.assert_allclose(batch.features["s"].data[0], expected, rtol=1e-5)


def test_a_forgotten_event_is_encoded_again(per_event: type, make_set: MakeSet) -> None:
    modality = per_event()
    encoder = Encoder({"s": modality}, cache=1)
    for name in ("a", "b", "a"):
        encoder.encode([make_set(name, s=[[1, 2, 3]])])
    assert modality.encoded == [1, 1, 1]


def test_an_event_that_fails_takes_its_stream_out_of_the_set(
    per_event: type, make_set: MakeSet
) -> None:
    sets = [make_set("a", s=[[1, 2, 3], [-2, 0, 0]]), make_set("b", s=[[1, 2, 3]])]
    batch = Encoder({"s": per_event()}).encode(sets)
    assert batch.present["s"].tolist() == [False, True]
    (letter,) = batch.letters(sets)
    assert (letter.origin, letter.time) == ("s/0/a1", 11)


def test_sequences_of_events_follow_one_another(
    plugins: SimpleNamespace, make_set: MakeSet
) -> None:
    class PerEvent(plugins.Steps):
        per = "event"

    sets = [make_set("a", s=[[2, 5, 9], [1, 9, 9]]), make_set("b", s=[[3, 7, 8]])]
    features = Encoder({"s": PerEvent()}).encode(sets).features["s"]
    assert features.data[0, :, 0].tolist() == [2, 5, 1]
    assert features.mask.all()


def _numpy_network(seed: int) -> tuple[int, Callable[[np.ndarray], np.ndarray]]:
    random = np.random.default_rng(seed)
    # Wide enough for a product's last bits to depend on the row's place in the batch.
    first = random.standard_normal((3, 301)).astype(np.float32)
    second = random.standard_normal((301, 257)).astype(np.float32)
    return 257, lambda x: np.tanh(x @ first) @ second


def _torch_convolution(seed: int) -> tuple[int, Callable[[np.ndarray], np.ndarray]]:
    torch = pytest.importorskip("torch", reason="pip install 'sensorium[torch]'")
    torch.manual_seed(seed)
    layers = torch.nn.Sequential(
        torch.nn.Conv1d(1, 16, 2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(32, 5)
    )

    def network(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return layers(torch.from_numpy(x[:, None, :].copy())).numpy()

    return 5, network


@pytest.mark.parametrize("network", [_numpy_network, _torch_convolution])
@pytest.mark.parametrize("size", [1, 7, 16])
def test_padded_features_are_bitwise_the_same_in_every_batch(
    plugins: SimpleNamespace, make_set: MakeSet, network: Any, size: int
) -> None:
    dim, forward = network(11)

    class Network(plugins.Numbers):
        @property
        def feature(self) -> FeatureSpec:
            return FeatureSpec(dim)

        def encode(self, arrays: Any) -> Features:
            self.encoded.append(len(arrays["x"]))
            return Features(forward(arrays["x"]))

    modality = Network()
    encoder = Encoder({"s": modality}, sizes={"s": size}, pad=True)

    @settings(max_examples=8, deadline=None)
    @given(st.lists(st.lists(st.floats(-3, 3, width=32), min_size=3, max_size=3), max_size=20))
    def same_bits(others: list[list[float]]) -> None:
        subject = make_set("x", s=[[0.3, -1.7, 2.1]])
        rest = [make_set(str(i), s=[numbers]) for i, numbers in enumerate(others)]
        seen = set()
        for at in (0, len(rest) // 2, len(rest)):
            batch = encoder.encode([*rest[:at], subject, *rest[at:]])
            seen.add(batch.features["s"].data[at].tobytes())
        seen.add(encoder.encode([subject]).features["s"].data[0].tobytes())
        assert len(seen) == 1

    same_bits()
    assert set(modality.encoded) == {size}
