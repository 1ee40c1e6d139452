from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.train._dropout import drop_streams, outages, replicate


@given(st.integers(1, 4), st.integers(1, 50), st.floats(0, 0.99), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_dropout_takes_away_but_never_the_last_stream(
    streams: int, items: int, rate: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    before = {str(i): rng.random(items) < 0.6 for i in range(streams)}
    after = drop_streams(before, rate, rng)
    had = np.any(list(before.values()), axis=0)
    assert (np.any(list(after.values()), axis=0) == had).all()
    for name, there in after.items():
        assert not (there & ~before[name]).any()


def test_the_rate_is_the_share_that_is_dropped() -> None:
    present = {name: np.ones(20_000, dtype=bool) for name in "abc"}
    after = outages(present, 0.3, np.random.default_rng(0))
    assert all(abs(there.mean() - 0.7) < 0.02 for there in after.values())


def test_a_rate_of_zero_drops_nothing() -> None:
    present = {"a": np.array([True, False]), "b": np.array([True, True])}
    rows, left = replicate(present, 0.0, np.random.default_rng(0))
    assert rows.tolist() == [0, 1]
    assert all((left[name] == there).all() for name, there in present.items())


def test_replication_keeps_every_item_as_it_is_and_adds_only_what_lost_a_stream() -> None:
    present = {"a": np.ones(100, dtype=bool), "b": np.arange(100) < 50}
    rows, left = replicate(present, 0.4, np.random.default_rng(0))
    assert rows[:100].tolist() == list(range(100))
    assert len(rows) > 100
    # An item with one stream has nothing to lose.
    assert (rows[100:] < 50).all()
    assert (left["a"][100:] ^ left["b"][100:]).all()


def test_the_same_seed_gives_the_same_replicas() -> None:
    present = {name: np.ones(50, dtype=bool) for name in "ab"}
    once, again = (replicate(present, 0.3, np.random.default_rng(7)) for _ in range(2))
    assert (once[0] == again[0]).all()
    assert (once[1]["a"] == again[1]["a"]).all()
