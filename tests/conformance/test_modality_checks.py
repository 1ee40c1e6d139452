"""Each check of a modality catches a modality that is broken in just that way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from sensorium.plugin import Features, FeatureSpec
from sensorium.testing import (
    MODALITY_CHECKS,
    ModalitySubject,
    NonconformanceError,
    check_modality,
)


def test_a_modality_that_conforms_passes(kit: SimpleNamespace) -> None:
    check_modality(kit.Good, {"length": 3}, kit.payloads)
    weights = {"scale": np.full(3, 2, np.float32)}
    check_modality(kit.Good, {"length": 3}, kit.payloads, weights=weights)


def test_one_payload_is_too_few(kit: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="at least two payloads"):
        check_modality(kit.Good, {}, kit.payloads[:1])


def other_api(good: Any) -> Any:
    return type("Broken", (good,), {"api": 99})


def lax_config(good: Any) -> Any:
    class Lax(BaseModel):
        length: int = 3

    return type("Broken", (good,), {"Config": Lax})


def crashes_on_bad_payloads(good: Any) -> Any:
    def decode(self: Any, payload: Any) -> Any:
        return np.array([float(number) for number in payload.data])

    return type("Broken", (good,), {"decode": decode})


def wrong_dims(good: Any) -> Any:
    return type("Broken", (good,), {"feature": property(lambda self: FeatureSpec(4))})


def normalises_over_the_batch(good: Any) -> Any:
    def encode(self: Any, arrays: Any) -> Features:
        return Features(arrays["x"] - arrays["x"].mean(axis=0))

    return type("Broken", (good,), {"encode": encode})


def looks_at_its_neighbour(good: Any) -> Any:
    def encode(self: Any, arrays: Any) -> Features:
        return Features(np.cumsum(arrays["x"], axis=0))

    return type("Broken", (good,), {"encode": encode})


def counts_its_calls(good: Any) -> Any:
    def encode(self: Any, arrays: Any) -> Features:
        self.calls = getattr(self, "calls", 0) + 1
        return Features(arrays["x"] + np.float32(self.calls))

    return type("Broken", (good,), {"encode": encode})


def writes_into_values(good: Any) -> Any:
    def prepare(self: Any, items: Any) -> Any:
        for item in items:
            for value in item.values:
                np.multiply(value, 0.5, out=value)
        return good.prepare(self, items)

    return type("Broken", (good,), {"prepare": prepare})


def writes_into_arrays(good: Any) -> Any:
    def encode(self: Any, arrays: Any) -> Features:
        arrays["x"] /= self.scale + 1
        return Features(arrays["x"])

    return type("Broken", (good,), {"encode": encode})


def forgets_its_weights(good: Any) -> Any:
    def load(self: Any, device: str, weights: Any) -> None:
        loaded = hasattr(self, "scale")
        self.scale = np.ones(3, np.float32)
        if loaded and weights is not None:
            self.scale = weights["scale"]

    return type("Broken", (good,), {"load": load})


@pytest.mark.parametrize(
    ("check", "breaking", "message"),
    [
        ("declares_itself", other_api, "api be 1, not 99"),
        ("check_config", lax_config, "takes an unknown key without a word"),
        (
            "refuses_bad_payloads",
            crashes_on_bad_payloads,
            "decode raised TypeError for the payload",
        ),
        ("gives_what_it_declares", wrong_dims, "declared is"),
        ("batch_equals_single", normalises_over_the_batch, "in a batch than alone"),
        ("order_does_not_matter", looks_at_its_neighbour, "in another order"),
        ("is_deterministic", counts_its_calls, "it keeps state"),
        ("leaves_inputs_alone", writes_into_values, "prepare changes the values"),
        ("leaves_inputs_alone", writes_into_arrays, "encode changes the arrays"),
        ("takes_read_only_arrays", writes_into_arrays, "cannot work on read-only arrays"),
        ("weights_survive_a_file", forgets_its_weights, "after saving and loading"),
    ],
)
def test_a_broken_modality_is_caught(
    kit: SimpleNamespace, check: str, breaking: Any, message: str
) -> None:
    subject = ModalitySubject(breaking(kit.Good), {"length": 3}, kit.payloads)
    with pytest.raises(NonconformanceError, match=message) as caught:
        MODALITY_CHECKS[check](subject)
    assert str(caught.value).startswith("good: ")
    with pytest.raises(NonconformanceError):
        check_modality(subject.plugin, {"length": 3}, kit.payloads)


def test_every_check_has_a_broken_modality() -> None:
    (mark,) = test_a_broken_modality_is_caught.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in mark.args[1]} == set(MODALITY_CHECKS)
