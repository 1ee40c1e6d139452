"""What the demo says of two executors, without a Ray."""

from __future__ import annotations

from sensorium.demo import DEMOS
from sensorium.demo._demos import open_pipeline
from sensorium.demo._serve import compare, placed_apart
from sensorium.events import Prediction, TaskResult
from sensorium.host import default_host


def prediction(identity: str, label: str, score: float) -> Prediction:
    scores = {label: score, "other": 1 - score}
    return Prediction(
        id=identity,
        pipeline="watch",
        key="k",
        time=0,
        tasks={"it": TaskResult(label=label, score=score, scores=scores)},
        members={},
        absent={},
        unsettled=frozenset(),
        revision=0,
        model="",
    )


def test_predictions_are_compared_by_their_sets() -> None:
    ones = [prediction("a", "x", 0.75), prediction("b", "x", 0.5), prediction("c", "x", 0.5)]
    others = [prediction("b", "x", 0.5), prediction("a", "x", 0.5), prediction("d", "x", 0.5)]
    found = compare(ones, others, "it")
    assert (found.predictions, found.only_one, found.labels, found.score) == (2, 2, 0, 0.25)
    assert found.rows()[0] == ("serve and local, sets in both", "2")
    assert found.rows()[-1] == ("local, latency p50", "-")


def test_every_model_has_a_deployment() -> None:
    apart = placed_apart(open_pipeline(DEMOS["watch"], "stats", default_host()))
    document = apart.document()
    assert {it["placement"] for it in document["streams"].values()} == {"replica"}
    assert document["fusion"]["placement"] == "replica"
