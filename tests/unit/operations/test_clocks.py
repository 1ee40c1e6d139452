"""Clocks that are off are found, and right ones are not accused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sensorium.operations import Arrivals, estimate_clocks

SECOND = 10**9
MS = 10**6
START = 1_700_000_000 * SECOND


def stream(
    seed: int, *, ahead: float = 0, drift: float = 0, transport: float = 20 * MS, count: int = 2000
) -> Arrivals:
    """Events every half second; their clock is `ahead` ns at the start, and `drift` ppm fast."""
    rng = np.random.default_rng(seed)
    true = START + np.arange(count) * SECOND // 2
    wait = rng.exponential(30 * MS, count)
    # Now and then the network stops for seconds.
    wait[rng.random(count) < 0.05] += 3 * SECOND
    times = true + ahead + drift * 1e-6 * (true - START)
    whole = [np.rint(them).astype(np.int64) for them in (times, times, true + transport + wait)]
    return Arrivals(*whole)


def test_a_stream_whose_clock_is_ahead_and_fast_is_found() -> None:
    arrivals = {
        ("accel", "k"): stream(1),
        ("gyro", "k"): stream(2, ahead=200 * MS, drift=100),
        ("mic", "k"): stream(3),
    }
    found = {one.stream: one for one in estimate_clocks(arrivals) if one.stream}
    gyro = found["gyro"]
    # In the middle of 1000 s, at 100 ppm: 50 ms more than at the start.
    assert gyro.ahead == pytest.approx(250 * MS, abs=5 * MS)
    assert gyro.interval[0] < 250 * MS < gyro.interval[1]
    assert gyro.interval[1] - gyro.interval[0] < 20 * MS
    assert gyro.certain
    assert gyro.drift == pytest.approx(100, abs=15)
    assert gyro.drift_interval[0] < 100 < gyro.drift_interval[1]
    for name in ("accel", "mic"):
        # The others' median is half of one that is right and one that is wrong.
        assert abs(found[name].ahead) == pytest.approx(125 * MS, abs=5 * MS)


def test_clocks_that_are_right_are_not_accused() -> None:
    accused = 0
    for seed in range(20):
        arrivals = {(name, "k"): stream(100 * seed + at) for at, name in enumerate("abc")}
        accused += any(one.certain and abs(one.ahead) > 3 * MS for one in estimate_clocks(arrivals))
    assert accused <= 2


def test_a_device_whose_clock_is_behind_is_found_among_many() -> None:
    arrivals = {
        (name, f"device-{number}"): stream(
            number * 2 + at, ahead=-3 * SECOND if number == 7 else 0, count=200
        )
        for number in range(12)
        for at, name in enumerate(["a", "b"])
    }
    found = estimate_clocks(arrivals)
    assert [one.key for one in found if one.key and one.stands_out] == ["device-7"]
    (wrong,) = (one for one in found if one.key == "device-7")
    assert wrong.ahead == pytest.approx(-3 * SECOND, abs=30 * MS)
    assert all(not one.certain or abs(one.ahead) < 10 * MS for one in found if one.stream)


def test_a_longer_way_cannot_be_told_from_a_clock_that_is_behind() -> None:
    arrivals = {("a", "k"): stream(1), ("b", "k"): stream(2, transport=120 * MS)}
    found = {one.stream: one.ahead for one in estimate_clocks(arrivals) if one.stream}
    assert found["b"] == pytest.approx(-100 * MS, abs=5 * MS)


def test_a_chunk_is_logged_after_its_end() -> None:
    whole, chunks = stream(1), stream(2)
    begun = Arrivals(chunks.times - 400 * MS, chunks.ends, chunks.logged)
    found = {
        one.stream: one
        for one in estimate_clocks({("a", "k"): whole, ("b", "k"): begun})
        if one.stream
    }
    assert abs(found["b"].ahead) < 5 * MS


def test_too_few_events_say_nothing() -> None:
    assert estimate_clocks({("a", "k"): stream(1, count=5), ("b", "k"): stream(2, count=5)}) == []


def test_one_stream_of_one_key_has_nothing_to_be_compared_with() -> None:
    assert estimate_clocks({("a", "k"): stream(1)}) == []


def test_the_same_events_give_the_same_estimates() -> None:
    arrivals = {("a", "k"): stream(1), ("b", "k"): stream(2)}
    first, again = estimate_clocks(arrivals), estimate_clocks(arrivals)
    assert first == again
    assert not any(math.isnan(one.ahead) for one in first)
