"""What the tests of Ray Serve on a real Apache Kafka share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeAlias

from sensorium.host import Pipeline

__all__ = ["KEYS", "MakePipeline", "Predictions", "wait_for"]

KEYS = [f"k{number}" for number in range(8)]
#: Makes a pipeline from overrides of its file.
MakePipeline: TypeAlias = Callable[..., Pipeline]
#: Gives the predictions that have been committed so far.
Predictions: TypeAlias = Callable[[], list[dict[str, Any]]]


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} in {seconds} s"
        time.sleep(0.5)
