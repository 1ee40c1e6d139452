"""Each check of a fusion catches a fusion that is broken in just that way."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kit_plugins import PerProcessFusion
from pydantic import BaseModel

from sensorium.plugin import TaskOutput
from sensorium.testing.conformance import (
    FUSION_CHECKS,
    FusionSubject,
    NonconformanceError,
    check_fusion,
)

WEIGHTS = {"bias": np.array([0.25], np.float32)}


def test_a_fusion_that_conforms_passes(kit: SimpleNamespace) -> None:
    check_fusion(kit.GoodFusion, {}, kit.specs, {"t": kit.task})
    check_fusion(kit.GoodFusion, {}, kit.specs, {"t": kit.task}, weights=WEIGHTS)


def changed(change: Any) -> Any:
    """Break what `fuse` gives."""

    def breaking(good: Any) -> Any:
        def fuse(self: Any, present: Any, **features: Any) -> Any:
            return change(self, present, features, good.fuse(self, present, **features))

        return type("Broken", (good,), {"fuse": fuse})

    return breaking


def other_api(good: Any) -> Any:
    return type("Broken", (good,), {"api": 99})


def lax_config(good: Any) -> Any:
    class Lax(BaseModel):
        pass

    return type("Broken", (good,), {"Config": Lax})


@changed
def nan_for_nothing(self: Any, present: Any, features: Any, outputs: Any) -> Any:
    nothing = ~np.any(list(present.values()), axis=0)
    outputs["t"].scores[nothing] = np.nan
    return outputs


@changed
def logits(self: Any, present: Any, features: Any, outputs: Any) -> Any:
    return {"t": TaskOutput(outputs["t"].scores * 8 - 4)}


@changed
def one_column(self: Any, present: Any, features: Any, outputs: Any) -> Any:
    return {"t": TaskOutput(outputs["t"].scores[:, :1])}


@changed
def absent_counts(self: Any, present: Any, features: Any, outputs: Any) -> Any:
    return {"t": replace(outputs["t"], contribution=np.full_like(outputs["t"].contribution, 0.5))}


@changed
def halved_shares(self: Any, present: Any, features: Any, outputs: Any) -> Any:
    return {"t": replace(outputs["t"], contribution=outputs["t"].contribution / 2)}


@changed
def softmax_over_the_batch(self: Any, present: Any, features: Any, outputs: Any) -> Any:
    scores = outputs["t"].scores
    return {"t": TaskOutput(scores / scores.sum(axis=0))}


@changed
def looks_at_its_neighbour(self: Any, present: Any, features: Any, outputs: Any) -> Any:
    scores = outputs["t"].scores
    return {"t": TaskOutput(np.maximum.accumulate(scores, axis=0))}


@changed
def counts_its_calls(self: Any, present: Any, features: Any, outputs: Any) -> Any:
    self.calls = getattr(self, "calls", 0) + 1
    return {"t": TaskOutput(outputs["t"].scores / self.calls)}


@changed
def draws_at_random(self: Any, present: Any, features: Any, outputs: Any) -> Any:
    scores = outputs["t"].scores
    return {"t": TaskOutput(scores * np.random.random())}


@changed
def shares_a_buffer(self: Any, present: Any, features: Any, outputs: Any) -> Any:
    self.buffer = outputs
    time.sleep(0.001)  # any call that lets other threads run
    return self.buffer


@changed
def keeps_what_it_gave(self: Any, present: Any, features: Any, outputs: Any) -> Any:
    self.given = [*getattr(self, "given", ()), outputs]
    return outputs


def not_importable(good: Any) -> Any:
    return type("Broken", (good,), {})


def per_process(good: Any) -> Any:
    return PerProcessFusion


def sees_absent_rows(good: Any) -> Any:
    def fuse(self: Any, present: Any, **features: Any) -> Any:
        return good.fuse(self, dict.fromkeys(present, np.full(len(present["v"]), True)), **features)

    return type("Broken", (good,), {"fuse": fuse})


def writes_into_features(good: Any) -> Any:
    def fuse(self: Any, present: Any, **features: Any) -> Any:
        for it in features.values():
            it.data[...] *= 2
        return good.fuse(self, present, **features)

    return type("Broken", (good,), {"fuse": fuse})


def random_start(good: Any) -> Any:
    def load(self: Any, device: str, weights: Any) -> None:
        self.bias = float(np.random.default_rng().normal())

    return type("Broken", (good,), {"load": load})


@pytest.mark.parametrize(
    ("check", "breaking", "message"),
    [
        ("declares_itself", other_api, "api be 1, not 99"),
        ("config_is_strict", lax_config, "takes an unknown key without a word"),
        ("answers_every_pattern", nan_for_nothing, "in 't' with only nothing"),
        ("answers_every_pattern", logits, "the scores of 't' are not probabilities"),
        ("answers_every_pattern", one_column, r"gave shape \(4, 1\)"),
        ("answers_every_pattern", absent_counts, "an absent stream contributes"),
        ("answers_every_pattern", halved_shares, "do not add up to 1"),
        ("ignores_what_is_absent", sees_absent_rows, "depend on the rows of a stream"),
        ("batch_equals_single", softmax_over_the_batch, "in a batch than alone"),
        ("order_does_not_matter", looks_at_its_neighbour, "in another order"),
        ("is_deterministic", draws_at_random, "it draws at random"),
        ("keeps_no_state", counts_its_calls, "it keeps state"),
        ("leaves_inputs_alone", writes_into_features, "fuse changes what it is given"),
        ("takes_read_only_arrays", writes_into_features, "cannot work on read-only arrays"),
        ("weights_survive_a_file", random_start, "after saving and loading"),
        ("loads_in_several_processes", not_importable, "does not load or run .*AttributeError"),
        ("loads_in_several_processes", per_process, "in another process it gives other outputs"),
        ("is_thread_safe", shares_a_buffer, "when several threads fuse"),
        ("keeps_no_memory", keeps_what_it_gave, "it keeps .* bytes of every call"),
    ],
)
def test_a_broken_fusion_is_caught(
    kit: SimpleNamespace, check: str, breaking: Any, message: str
) -> None:
    subject = FusionSubject(
        breaking(kit.GoodFusion), {}, kit.specs, {"t": kit.task}, weights=WEIGHTS
    )
    with pytest.raises(NonconformanceError, match=message) as caught:
        FUSION_CHECKS[check](subject)
    assert str(caught.value).startswith("good-fusion: ")


def test_every_check_has_a_broken_fusion() -> None:
    (mark,) = test_a_broken_fusion_is_caught.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in mark.args[1]} == set(FUSION_CHECKS)
