"""Fuse and emit: one prediction per set that can be fused, in the order of the sets."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sensorium.events import Absence, AlignedSet
from sensorium.plugin import FeatureSpec, TaskOutput
from sensorium.stages import Emitter, EncodedBatch, Encoder, Fuser

MakeSet = Callable[..., AlignedSet]


@pytest.fixture
def line(plugins: SimpleNamespace) -> Callable[..., SimpleNamespace]:
    """Encoder, fuser and emitter of two streams and one task."""

    def make(fusion: Any = None, task: Any = None, **options: Any) -> SimpleNamespace:
        tasks = {"answer": task or plugins.Yes(None)}
        specs = {"s": FeatureSpec(5), "t": FeatureSpec(5)}
        it = (fusion or plugins.Squash)(None, specs, tasks)
        modalities = {"s": plugins.Numbers(), "t": plugins.Numbers()}
        fuser = Fuser(it, tasks, **options)
        encoder = Encoder(modalities, batch_size=options.get("size", 64), pad=bool(options))

        def through(sets: list[AlignedSet]) -> SimpleNamespace:
            batch = encoder.encode(sets)
            fused = fuser.fuse(batch)
            emitted = Emitter("watch", ["s", "t"], tasks, "d1").emit(batch.mark(sets), fused)
            letters = batch.letters(sets) + fused.letters(sets) + emitted.letters
            return SimpleNamespace(predictions=emitted.predictions, letters=letters, fused=fused)

        return SimpleNamespace(through=through, fusion=it, fuser=fuser)

    return make


def test_a_prediction_says_what_it_is_made_of(line: Any, make_set: MakeSet) -> None:
    sets = [make_set("a", s=[[1, 2, 3], [2, 2, 2]], t=None)]
    (prediction,) = line().through(sets).predictions
    assert (prediction.id, prediction.pipeline, prediction.key, prediction.time) == (
        "a",
        "watch",
        "k",
        10,
    )
    assert prediction.members == {"s": ("s/0/a0", "s/0/a1")}
    assert prediction.absent == {"t": Absence.PROVEN}
    assert prediction.model == "d1"
    assert prediction.tasks["answer"].label in ("yes", "no")
    assert prediction.tasks["answer"].contributions == {"s": 1.0}


def test_a_stream_that_failed_is_no_member(line: Any, make_set: MakeSet) -> None:
    sets = [make_set("a", s=[[-2, 2, 3]], t=[[1, 1, 1]])]
    (prediction,) = line().through(sets).predictions
    assert prediction.absent == {"s": Absence.FAILED}
    assert list(prediction.members) == ["t"]
    assert prediction.tasks["answer"].contributions == {"t": 1.0}


def test_a_set_that_cannot_be_fused_is_buried_and_the_others_keep_their_order(
    line: Any, make_set: MakeSet, plugins: SimpleNamespace
) -> None:
    class Picky(plugins.Squash):
        def fuse(self, present: Any, **features: Any) -> Any:
            if any((np.abs(features["s"].data) > 1e4).any(axis=1)):
                raise RuntimeError("too much")
            return super().fuse(present, **features)

    sets = [make_set(f"set{i}", s=[[1e6 if i == 3 else i, 1, 1]], t=None) for i in range(9)]
    out = line(Picky).through(sets)
    assert [p.id for p in out.predictions] == [f"set{i}" for i in range(9) if i != 3]
    (letter,) = out.letters
    assert (letter.stage, letter.plugin, letter.error) == ("fuse", "squash", "RuntimeError")
    assert letter.message.endswith(": too much (set set3)")


def test_an_output_that_is_not_finite_is_buried(
    line: Any, make_set: MakeSet, plugins: SimpleNamespace
) -> None:
    class Nan(plugins.Squash):
        def fuse(self, present: Any, **features: Any) -> Any:
            scores = super().fuse(present, **features)["answer"].scores
            scores[1] = np.nan
            return {"answer": TaskOutput(scores)}

    out = line(Nan).through([make_set(str(i), s=[[i, 1, 1]], t=None) for i in range(3)])
    assert [p.id for p in out.predictions] == ["0", "2"]
    assert out.letters[0].message == "squash.fuse gave NaN or infinity (set 1)"
    assert out.predictions[0].tasks["answer"].contributions is None


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({}, "gave no TaskOutput for the task 'answer'"),
        ({"answer": TaskOutput()}, "must give either scores or values"),
        ({"answer": TaskOutput(np.ones((1, 3)))}, "gave shape (1, 3) for the task 'answer'"),
        (
            {"answer": TaskOutput(np.ones((1, 2)), None, np.ones((1, 1)))},
            "gave shape (1, 1) as the contribution",
        ),
    ],
)
def test_outputs_that_are_not_as_declared_are_refused_by_name(
    line: Any, make_set: MakeSet, plugins: SimpleNamespace, output: Any, message: str
) -> None:
    class Wrong(plugins.Squash):
        def fuse(self, present: Any, **features: Any) -> Any:
            return output

    (letter,) = line(Wrong).through([make_set("a", s=[[1, 1, 1]], t=None)]).letters
    assert letter.error == "PluginError"
    assert message in letter.message


def test_a_task_that_cannot_read_a_row_buries_its_set(
    line: Any, make_set: MakeSet, plugins: SimpleNamespace
) -> None:
    class Fragile(plugins.Yes):
        def result(self, activated: Any) -> Any:
            raise KeyError("label")

    out = line(task=Fragile(None)).through([make_set("a", s=[[1, 1, 1]], t=None)])
    assert out.predictions == []
    assert (out.letters[0].stage, out.letters[0].plugin) == ("emit", "yes")


def test_padded_scores_are_bitwise_the_same_in_every_batch(line: Any, make_set: MakeSet) -> None:
    it = line(size=8, pad=True)
    random = np.random.default_rng(0).standard_normal((30, 3)).tolist()
    sets = [make_set(str(i), s=[numbers], t=None) for i, numbers in enumerate(random)]
    together = [p.tasks for p in it.through(sets).predictions]
    alone = [p.tasks for one in sets for p in it.through([one]).predictions]
    assert together == alone
    assert set(it.fusion.fused) == {8}


def test_every_set_failing_gives_no_prediction(line: Any, plugins: SimpleNamespace) -> None:
    class Broken(plugins.Squash):
        def fuse(self, present: Any, **features: Any) -> Any:
            raise RuntimeError("no")

    batch = Encoder({"s": plugins.Numbers(), "t": plugins.Numbers()}).encode(
        [AlignedSet("k", t, {}) for t in range(3)]
    )
    assert isinstance(batch, EncodedBatch)
    fused = line(Broken).fuser.fuse(batch)
    assert len(fused.rows) == 0
    assert [failure.row for failure in fused.failures] == [0, 1, 2]
