"""Small recordings, and what is said of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import sensorium_plugins
from sensorium.explain import Story, read_story
from sensorium.host import PluginHost, load_pipeline

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
Tell = Callable[..., Story]


def line(stream: str, time: float, arrived: float, key: str = "k", **more: Any) -> dict[str, Any]:
    """A record; its times are in seconds after `START`."""
    at, logged = (START + round(seconds * SECOND) for seconds in (time, arrived))
    return {"stream": stream, "key": key, "time": at, "arrived": logged, "data": [[1, 2, 3]],
            **more}  # fmt: skip


@pytest.fixture
def tell(tmp_path: Path) -> Tell:
    """Run records through a pipeline of the streams ``a`` and ``b``, and give the key's story."""

    def run(
        records: Sequence[dict[str, Any]],
        align: dict[str, Any],
        key: str = "k",
        **specs: Any,
    ) -> Story:
        path = tmp_path / "small.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        stream = {"modality": "sensor-stats", "config": {"channels": 3, "rate": 50}, **specs}
        host = PluginHost(entry_points=[], modules=[sensorium_plugins])
        fields = {
            "pipeline": "small",
            "streams": {"a": stream, "b": stream},
            "align": align,
            "fusion": {"plugin": "mean"},
            "tasks": {"moves": {"type": "classification", "labels": ["yes", "no"]}},
        }
        return read_story(load_pipeline(fields, plugins=host), host, path, key)

    return run
