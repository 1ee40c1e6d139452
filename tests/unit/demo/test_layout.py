from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

from sensorium.demo import Damage
from sensorium.demo._damage import silences
from sensorium.demo._layout import Chunk, chunks, place
from sensorium.demo._watch import PERIOD, Trial
from sensorium.demo._watch_scene import windows
from sensorium.errors import ConfigError

SECOND = 1_000_000_000


def trials(count: int = 12, samples: int = 500) -> list[Trial]:
    made = []
    for number in range(count):
        accel = np.full((samples, 3), number, dtype=np.float32)
        accel[:, 1] = np.arange(samples)
        made.append(Trial(f"s01-PEN-{number:03d}", 1, "PEN", accel, accel + 1000))
    return made


def by_stream(sent: list[Chunk]) -> dict[tuple[str, str], list[Chunk]]:
    found = defaultdict(list)
    for chunk in sorted(sent, key=lambda chunk: chunk.time):
        found[chunk.stream, chunk.key].append(chunk)
    return found


def test_without_losses_the_chunks_are_the_trials() -> None:
    placed = place(trials(), 0)
    found = by_stream(chunks(placed, Damage(), 0))
    for item in placed:
        for stream, samples in item.trial.streams.items():
            parts = found.pop((stream, item.trial.key))
            np.testing.assert_array_equal(np.concatenate([it.samples for it in parts]), samples)
            assert parts[0].time == item.start
            assert all(a.time + a.duration == b.time for a, b in pairwise(parts))
    assert not found


def test_several_devices_send_at_once_and_none_begins_on_the_grid() -> None:
    placed = place(trials(), 0)
    assert all(item.start % PERIOD for item in placed)
    assert sum(item.start <= placed[4].start < item.end for item in placed) >= 4


def test_the_log_is_in_order_and_event_times_are_not() -> None:
    sent = chunks(place(trials(), 0), Damage(disorder=SECOND), 0)
    arrived = [chunk.arrived for chunk in sent]
    assert arrived == sorted(arrived)
    times = [chunk.time for chunk in sent if chunk.stream == "accel" and "000" in chunk.key]
    assert times != sorted(times)
    assert all(0 <= it.arrived - it.time - it.duration <= SECOND for it in sent)


def test_the_same_seed_gives_the_same_log() -> None:
    damage = Damage(lose=0.2, outage=0.2, shuffle_keys=True)
    first, again, other = (
        [(it.key, it.time, it.arrived) for it in chunks(place(trials(), seed), damage, seed)]
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_losses_leave_the_other_chunks_as_they_are() -> None:
    placed = place(trials(), 0)
    whole = {(it.stream, it.key, it.time, it.arrived) for it in chunks(placed, Damage(), 0)}
    lossy = {(it.stream, it.key, it.time, it.arrived) for it in chunks(placed, Damage(0.3), 0)}
    assert lossy < whole
    assert 0.6 < len(lossy) / len(whole) < 0.8


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_silence_takes_its_share_of_the_time(share: float) -> None:
    end = 20_000 * SECOND
    bursts = silences(0, end, share, np.random.default_rng(0))
    silent = sum(min(stop, end) - max(start, 0) for start, stop in bursts)
    assert silent / end == pytest.approx(share, abs=0.05)
    assert all(3 * SECOND <= stop - start <= 8 * SECOND for start, stop in bursts)


def test_shuffling_gives_the_gyroscope_the_keys_of_others_at_the_same_time() -> None:
    placed = place(trials(), 0)
    whole = chunks(placed, Damage(), 0)
    shuffled = chunks(placed, Damage(shuffle_keys=True), 0)
    accel = [(it.key, it.time) for it in whole if it.stream == "accel"]
    assert [(it.key, it.time) for it in shuffled if it.stream == "accel"] == accel
    ends = {item.trial.key: (item.start, item.end) for item in placed}
    astray = 0
    for chunk in shuffled:
        if chunk.stream == "gyro":
            start, end = ends[chunk.key]
            assert start <= chunk.time < end
            astray += chunk.key != placed_key(placed, chunk)
    gyro = [it for it in shuffled if it.stream == "gyro"]
    assert astray > 0.95 * len(gyro)


def placed_key(placed: list, chunk: Chunk) -> str:
    number = int(chunk.samples[0, 0]) - 1000
    return next(it.trial.key for it in placed if it.trial.key.endswith(f"{number:03d}"))


def test_windows_take_the_samples_taken_in_them() -> None:
    start, size = 10 * SECOND + 7, 2 * SECOND
    found = list(windows(start, 60, size, SECOND))
    for begin, first, stop in found[:-1]:
        taken = [i for i in range(60) if begin <= start + i * PERIOD < begin + size]
        assert list(range(first, stop)) == taken
    assert [begin // SECOND for begin, _, _ in found] == [9, 10, 11]


def test_a_window_that_only_the_last_sample_reaches_has_it() -> None:
    start = SECOND - 49 * PERIOD - 5
    *_, last = windows(start, 50, SECOND, SECOND)
    assert last == (SECOND, 49, 50)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lose": 1.0}, "--lose is 1; it is a share: at least 0, less than 1"),
        ({"outage": -0.1}, "--outage is -0.1; it is a share: at least 0, less than 1"),
        ({"disorder": -1}, "--disorder is -1ns; it must lie between 0 and 1h"),
    ],
)
def test_damage_out_of_range_is_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        Damage(**arguments)
