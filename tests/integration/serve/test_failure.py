"""Replicas die while a recording is on its way: nothing is lost, nothing is repeated."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from comparing import assert_alike

from sensorium.events import AlignedSet, Prediction
from sensorium.host import Pipeline, PluginHost
from sensorium.runtime import run_pipeline

MakePipeline = Callable[..., Pipeline]
Kill = Callable[[str], None]
SOAK = os.environ.get("SENSORIUM_SOAK") == "1"

#: A death takes some ten seconds.
pytestmark = pytest.mark.timeout(1800 if SOAK else 300)


def collected(
    pipeline: Pipeline,
    host: PluginHost,
    data: Path,
    executor: str,
    at: Callable[[int], None] = lambda _: None,
) -> list[Prediction]:
    """Run, calling `at` with the number of predictions so far."""
    found: list[Prediction] = []

    def take(predictions: Sequence[Prediction], sets: Sequence[AlignedSet]) -> None:
        assert [it.id for it in predictions] == [it.id for it in sets]
        found.extend(predictions)
        at(len(found))

    run_pipeline(
        pipeline,
        host,
        data=data,
        sink=str(data.with_suffix(".jsonl")),
        executor=executor,
        on_predictions=take,
    )
    return found


def plain(predictions: Sequence[Prediction]) -> list[Any]:
    return [
        {"id": it.id, "members": dict(it.members), "sum": it.tasks["sum"].values[0]}
        for it in predictions
    ]


def test_every_kind_of_replica_may_die(
    kill: Kill, adding: MakePipeline, numbers: Callable[..., Path], host: PluginHost
) -> None:
    values = range(6000 if SOAK else 320)
    pipeline = adding(pause=0.02)
    data = numbers(values)
    whole = collected(pipeline, host, data, "local")
    deaths = ["streams.a", "fusion", "ingest", "streams.b"] * (10 if SOAK else 1)
    due = [(at + 1) * len(values) // (len(deaths) + 1) for at in range(len(deaths))]

    def disturb(count: int) -> None:
        if due and count >= due[0]:
            del due[0]
            kill(deaths.pop(0))

    found = collected(pipeline, host, data, "serve", disturb)
    assert not deaths
    assert_alike(plain(whole), plain(found), tolerance=0)
