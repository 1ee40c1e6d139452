from __future__ import annotations

from collections.abc import Callable

import pytest

from sensorium.plugin import Record


@pytest.fixture(scope="session")
def record() -> Callable[..., Record]:
    """A record around some bytes."""

    def make(data: bytes | None, **fields: object) -> Record:
        return Record("topic", 0, 7, data, **fields)  # type: ignore[arg-type]

    return make
