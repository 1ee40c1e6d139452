"""Events that are encoded before a set asks for them: once, within bounds, and the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensorium.errors import UnavailableError
from sensorium.events import AlignedSet, Event
from sensorium.stages import Encoder

MakeSet = Callable[..., AlignedSet]


@pytest.fixture
def per_event(plugins: SimpleNamespace) -> Any:
    class PerEvent(plugins.Numbers):
        per = "event"

    return PerEvent


def test_what_was_encoded_ahead_is_not_encoded_again(per_event: Any, make_set: MakeSet) -> None:
    modality = per_event()
    encoder = Encoder({"s": modality})
    aligned = make_set("a", s=[[1, 2, 3], [4, 5, 6]])
    encoder.encode_ahead("s", aligned.members["s"])
    encoder.encode_ahead("s", aligned.members["s"])
    batch = encoder.encode([aligned, make_set("b", s=[[7, 8, 9]])])
    assert modality.encoded == [2, 1]
    expected = Encoder({"s": per_event()}).encode([aligned]).features["s"].data[0]
    np.testing.assert_allclose(batch.features["s"].data[0], expected, rtol=1e-6)
    assert encoder.ahead("s") == {"encoded": 2, "used": 2, "wasted": 0, "skipped": 0}
    encoder.encode([aligned])
    assert encoder.ahead("s")["used"] == 2


def test_a_set_waits_for_what_is_under_way(per_event: Any, make_set: MakeSet) -> None:
    entered, going = threading.Event(), threading.Event()

    class Slow(per_event):
        def encode(self, arrays: Any) -> Any:
            entered.set()
            assert going.wait(30)
            return super().encode(arrays)

    modality = Slow()
    encoder = Encoder({"s": modality})
    aligned = make_set("a", s=[[1, 2, 3]])
    ahead = threading.Thread(target=encoder.encode_ahead, args=("s", aligned.members["s"]))
    ahead.start()
    assert entered.wait(30)
    found: list[Any] = []
    asking = threading.Thread(target=lambda: found.append(encoder.encode([aligned])))
    asking.start()
    going.set()
    asking.join(30)
    ahead.join(30)
    assert found[0].present["s"].all()
    assert modality.encoded == [1]
    assert encoder.ahead("s") == {"encoded": 1, "used": 1, "wasted": 0, "skipped": 0}


def test_a_culprit_is_one_still(per_event: Any, make_set: MakeSet) -> None:
    modality = per_event()
    encoder = Encoder({"s": modality})
    sets = [make_set("a", s=[[1, 2, 3]]), make_set("b", s=[[-2, 0, 0]])]
    encoder.encode_ahead("s", [event for it in sets for event in it.members["s"]])
    calls = len(modality.encoded)
    batch = encoder.encode(sets)
    assert batch.present["s"].tolist() == [True, False]
    assert [letter.origin for letter in batch.letters(sets)] == ["s/0/b0"]
    assert len(modality.encoded) == calls


def test_what_may_pass_is_tried_again_with_the_set(per_event: Any, make_set: MakeSet) -> None:
    class Recovering(per_event):
        def encode(self, arrays: Any) -> Any:
            features = super().encode(arrays)
            if len(self.encoded) == 1:
                raise UnavailableError("the server does not answer")
            return features

    encoder = Encoder({"s": Recovering()})
    aligned = make_set("a", s=[[1, 2, 3]])
    encoder.encode_ahead("s", aligned.members["s"])
    assert encoder.encode([aligned]).present["s"].all()
    assert encoder.ahead("s")["encoded"] == 0


def test_nobody_waits_for_ever_for_what_has_raised(per_event: Any, make_set: MakeSet) -> None:
    entered, going = threading.Event(), threading.Event()

    class Stopping(per_event):
        def prepare(self, items: Any) -> Any:
            prepared = super().prepare(items)
            if len(self.prepared) == 1:
                entered.set()
                assert going.wait(30)
                raise KeyboardInterrupt  # goes through the search for a culprit
            return prepared

    encoder = Encoder({"s": Stopping()})
    aligned = make_set("a", s=[[1, 2, 3]])
    raised: list[BaseException] = []

    def ahead() -> None:
        try:
            encoder.encode_ahead("s", aligned.members["s"])
        except KeyboardInterrupt as error:
            raised.append(error)

    first = threading.Thread(target=ahead)
    first.start()
    assert entered.wait(30)
    found: list[Any] = []
    second = threading.Thread(target=lambda: found.append(encoder.encode([aligned])))
    second.start()
    going.set()
    first.join(30)
    second.join(30)
    assert len(raised) == 1
    assert found[0].present["s"].all()


def test_what_waits_is_bounded_and_pushes_nothing_out(per_event: Any, make_set: MakeSet) -> None:
    modality = per_event()
    encoder = Encoder({"s": modality}, cache=3)
    many = make_set("a", s=[[number, 1, 1] for number in range(1, 6)])
    encoder.encode_ahead("s", many.members["s"])
    assert modality.encoded == [3]
    assert encoder.ahead("s") == {"encoded": 3, "used": 0, "wasted": 0, "skipped": 2}
    # What a set asks for comes first: it takes the place of what nobody has asked for.
    encoder.encode([make_set("b", s=[[1, 1, 1]]), make_set("c", s=[[1, 1, 1]])])
    assert encoder.ahead("s") == {"encoded": 3, "used": 0, "wasted": 2, "skipped": 2}
    encoder.encode([many])
    assert encoder.ahead("s")["used"] == 1
    assert modality.encoded == [3, 2, 4]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ahead=st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=4),
    sets=st.lists(st.sets(st.integers(0, 9), min_size=1, max_size=4), min_size=1, max_size=6),
    size=st.integers(0, 12),
)
def test_whatever_is_encoded_ahead_the_features_are_the_same(
    plugins: SimpleNamespace, ahead: list[list[int]], sets: list[set[int]], size: int
) -> None:
    class PerEvent(plugins.Numbers):
        per = "event"

    def event(number: int) -> Event:
        # Every third cannot be encoded.
        value = np.array([-2.0 if number % 3 == 0 else number, 1, 1], np.float32)
        return Event("s", "k", number, value=value, origin=f"s/0/{number}")

    aligned = [
        AlignedSet("k", at, {"s": tuple(map(event, sorted(numbers)))}, id=f"{at}", start=0, end=20)
        for at, numbers in enumerate(sets)
    ]
    plain = Encoder({"s": PerEvent()}, pad=True, cache=size)
    encoder = Encoder({"s": PerEvent()}, pad=True, cache=size)
    for numbers in ahead:
        encoder.encode_ahead("s", [event(number) for number in numbers])
    for one in aligned:
        expected, found = plain.encode([one]), encoder.encode([one])
        np.testing.assert_array_equal(found.features["s"].data, expected.features["s"].data)
        assert found.present["s"].tolist() == expected.present["s"].tolist()
        assert found.letters([one]) == expected.letters([one])
    counts = encoder.ahead("s")
    assert 0 <= counts["used"] + counts["wasted"] <= counts["encoded"]
    assert counts["encoded"] - counts["used"] - counts["wasted"] <= size
