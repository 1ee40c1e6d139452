"""Comparing the predictions of two runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["assert_alike", "read_predictions"]


def read_predictions(path: Path) -> list[dict[str, Any]]:
    """The predictions in a file of JSON lines."""
    return [line for line in map(json.loads, path.read_text().splitlines()) if "tasks" in line]


def assert_alike(ones: list[Any], others: list[Any], tolerance: float = 1e-5) -> None:
    """The same to the letter, but for numbers of outputs, which may differ by the tolerance."""
    assert len(ones) == len(others)
    for one, other in zip(ones, others, strict=True):
        _compare(one, other, tolerance, one.get("id", ""))


def _compare(one: Any, other: Any, tolerance: float, where: str) -> None:
    if isinstance(one, dict):
        assert list(one) == list(other), where
        for key in one:
            _compare(one[key], other[key], tolerance, f"{where}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), where
        for at, (left, right) in enumerate(zip(one, other, strict=True)):
            _compare(left, right, tolerance, f"{where}[{at}]")
    elif isinstance(one, float):
        assert abs(one - other) <= tolerance, where
    else:
        assert one == other, where
