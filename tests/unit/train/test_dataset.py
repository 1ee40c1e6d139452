from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sensorium.errors import ConfigError
from sensorium.events import AlignedSet
from sensorium.plugin import Task
from sensorium.train import Dataset, TargetEvent, join_targets, target_rows
from sensorium.train._dataset import look_up


def _point(key: str, time: int) -> AlignedSet:
    return AlignedSet(key, time, {}, start=time - 5, end=time + 5)


def _window(key: str, start: int, end: int) -> AlignedSet:
    return AlignedSet(key, start, {}, start=start, end=end)


def test_a_set_takes_the_newest_target_of_its_own_key_that_is_not_later() -> None:
    events = [
        TargetEvent("k", 20, "new"),
        TargetEvent("k", 10, "old"),
        TargetEvent("l", 5, "other"),
    ]
    sets = [_point("k", 9), _point("k", 10), _point("k", 19), _point("k", 20), _point("l", 99)]
    assert join_targets(sets, events) == [None, "old", "old", "new", "other"]
    assert join_targets([_point("nobody", 9)], events) == [None]


def test_a_window_takes_a_target_from_before_its_end() -> None:
    events = [TargetEvent("k", 20, "x")]
    assert join_targets([_window("k", 10, 20), _window("k", 11, 21)], events) == [None, "x"]


def test_of_targets_at_one_time_the_last_counts() -> None:
    assert join_targets([_point("k", 1)], [TargetEvent("k", 1, i) for i in range(3)]) == [2]


@pytest.mark.parametrize(
    ("path", "found"),
    [("", {"a": {"b": [7, 8]}}), ("a.b.1", 8), ("a.b.2", None), ("a.c", None), ("a.b.x", None)],
)
def test_a_field_is_a_dotted_path(path: str, found: object) -> None:
    assert look_up({"a": {"b": [7, 8]}}, path) == found


def test_sets_without_a_target_are_rows_of_nan(make_task: Callable[..., Task]) -> None:
    rows = target_rows("kind", make_task("one-of", "a", "b"), ["b", None])
    assert rows[0].tolist() == [0, 1]
    assert np.isnan(rows[1]).all()


def test_a_value_that_is_no_label_is_refused_with_its_task(make_task: Callable[..., Task]) -> None:
    message = r"^tasks\.kind: 2 of 3 targets do not fit the task; the first: the target is none"
    with pytest.raises(ConfigError, match=message):
        target_rows("kind", make_task("one-of", "a", "b"), ["x", "a", "y"])


def test_every_set_has_a_place_for_its_target() -> None:
    with pytest.raises(ValueError, match="task 'kind' has 0 targets for 1 sets"):
        Dataset([_point("k", 1)], {"kind": []})
