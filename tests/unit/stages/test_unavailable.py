"""What does not answer now is not looked for among the items, and not remembered as their fault."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from sensorium.errors import UnavailableError
from sensorium.events import Absence, AlignedSet
from sensorium.plugin import Features
from sensorium.stages import EncodedBatch, Encoder, Fuser

MakeSet = Callable[..., AlignedSet]


def test_all_sets_of_a_call_fail_without_further_calls(
    plugins: SimpleNamespace, make_set: MakeSet
) -> None:
    class Away(plugins.Numbers):
        def encode(self, arrays: Any) -> Any:
            self.encoded.append(len(arrays["x"]))
            raise UnavailableError("the server does not answer")

    away = Away()
    sets = [make_set(f"set{i}", s=[[i, 1, 1]], t=[[1, 1, 1]]) for i in range(8)]
    batch = Encoder({"s": away, "t": plugins.Numbers()}, {"s": 4}).encode(sets)
    assert away.encoded == [4, 4]
    assert not batch.present["s"].any()
    assert batch.present["t"].all()
    assert [one.absent for one in batch.mark(sets)] == [{"s": Absence.FAILED}] * 8
    letters = batch.letters(sets)
    assert {letter.error for letter in letters} == {"UnavailableError"}
    assert letters[3].message == (
        "numbers.encode: the server does not answer (set set3 of s/0/set30)"
    )


def test_a_fusion_that_does_not_answer_fails_all_its_sets(plugins: SimpleNamespace) -> None:
    class Away(plugins.Squash):
        def fuse(self, present: Any, **features: Features) -> Any:
            self.fused.append(len(present["s"]))
            raise UnavailableError("the server does not answer")

    task = plugins.Yes(None)
    features = {"s": Features(np.ones((3, 5), np.float32))}
    fusion = Away(None, {"s": plugins.Numbers().feature}, {"task": task})
    batch = EncodedBatch({"s": np.ones(3, bool)}, features, np.zeros(3, np.uint32))
    fused = Fuser(fusion, {"task": task}).fuse(batch)
    assert fusion.fused == [3]
    assert [failure.row for failure in fused.failures] == [0, 1, 2]
    assert all(failure.passing for failure in fused.failures)


def test_an_event_that_failed_with_the_server_is_encoded_when_it_answers_again(
    plugins: SimpleNamespace, make_set: MakeSet
) -> None:
    class Recovering(plugins.Numbers):
        per = "event"

        def encode(self, arrays: Any) -> Any:
            features = super().encode(arrays)
            if len(self.encoded) == 1:
                raise UnavailableError("the server does not answer")
            return features

    encoder = Encoder({"s": Recovering()})
    sets = [make_set("a", s=[[1, 2, 3], [4, 5, 6]])]
    assert not encoder.encode(sets).present["s"].any()
    assert encoder.encode(sets).present["s"].all()
