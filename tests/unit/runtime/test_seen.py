"""What a replica has handed back before it died is not written again, in bounded memory."""

from __future__ import annotations

import pytest

pytest.importorskip("ray", reason="needs pip install 'sensorium'")

from sensorium.runtime.serve._seen import Seen


def test_each_is_new_once() -> None:
    seen = Seen()
    assert [seen.first(it) for it in ("a", "b", "a", "b", "c")] == [True, True, False, False, True]


def test_only_the_newest_are_remembered_where_that_is_enough() -> None:
    seen = Seen(most=3)
    for it in range(1000):
        assert seen.first(it)
    assert len(seen) == 3
    assert [seen.first(it) for it in (997, 998, 999, 996)] == [False, False, False, True]
