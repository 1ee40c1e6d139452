"""Cycles are looked for rarely while a pipeline runs, and as before afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from sensorium.runtime._garbage import rare_collections


@pytest.fixture
def threshold() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)


def test_it_is_rare_inside_and_as_before_outside(threshold: tuple[int, int, int]) -> None:
    gc.set_threshold(700, 10, 10)
    with rare_collections():
        assert gc.get_threshold() == (20_000, 10, 10)
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("first", [0, 50_000])
def test_what_somebody_has_set_stays(threshold: tuple[int, int, int], first: int) -> None:
    gc.set_threshold(first, 5, 5)
    with rare_collections():
        assert gc.get_threshold() == (first, 5, 5)


@pytest.fixture
def nothing_frozen() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("nothing_frozen")
def test_what_is_there_already_is_not_walked_meanwhile() -> None:
    with rare_collections():
        assert gc.get_freeze_count()
        with rare_collections():  # as of another line in the same process
            pass
        assert gc.get_freeze_count()
    assert not gc.get_freeze_count()


@pytest.mark.usefixtures("nothing_frozen")
def test_what_somebody_has_frozen_stays_frozen() -> None:
    gc.freeze()
    with rare_collections():
        pass
    # How many they are changes: what is frozen is freed as anything is, once nobody needs it.
    assert gc.get_freeze_count()
