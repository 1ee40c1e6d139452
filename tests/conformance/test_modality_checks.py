"""Each check of a modality catches a modality that is broken in just that way."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kit_plugins import PerProcess
from pydantic import BaseModel, Field

from sensorium.errors import PayloadError
from sensorium.plugin import Features, FeatureSpec, PluginConfig
from sensorium.testing.conformance import (
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


def takes_what_it_would_refuse(good: Any) -> Any:
    return type("Broken", (good,), {"decode_stack": lambda self, arrays: list(arrays)})


def decodes_many_otherwise(good: Any) -> Any:
    def decode_stack(self: Any, arrays: Any) -> Any:
        return list(arrays * 2) if np.isfinite(arrays).all() else None

    return type("Broken", (good,), {"decode_stack": decode_stack})


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


def draws_at_random(good: Any) -> Any:
    def encode(self: Any, arrays: Any) -> Features:
        noise = np.random.normal(size=arrays["x"].shape)
        return Features((arrays["x"] + noise).astype(np.float32))

    return type("Broken", (good,), {"encode": encode})


def knows_one_event_only(good: Any) -> Any:
    def prepare(self: Any, items: Any) -> Any:
        rows = []
        for item in items:
            [value] = item.values
            rows.append(value)
        return {"x": np.array(rows, np.float32)}

    return type("Broken", (good,), {"prepare": prepare})


def overflows(good: Any) -> Any:
    def encode(self: Any, arrays: Any) -> Features:
        with np.errstate(over="ignore"):
            return Features(np.square(arrays["x"]))

    def decode(self: Any, payload: Any) -> Any:
        if not isinstance(payload.data, list):
            raise PayloadError("expected a list")
        try:
            return np.array(payload.data, np.float64).reshape(3)
        except (TypeError, ValueError, OverflowError):
            raise PayloadError("expected three numbers") from None

    return type("Broken", (good,), {"encode": encode, "decode": decode})


def not_importable(good: Any) -> Any:
    return type("Broken", (good,), {})


def per_process(good: Any) -> Any:
    return PerProcess


def shares_a_buffer(good: Any) -> Any:
    def encode(self: Any, arrays: Any) -> Features:
        self.buffer = arrays["x"]
        time.sleep(0.001)  # any call that lets other threads run
        return Features(self.buffer)

    return type("Broken", (good,), {"encode": encode})


def keeps_what_it_saw(good: Any) -> Any:
    def encode(self: Any, arrays: Any) -> Features:
        self.seen = [*getattr(self, "seen", ()), arrays["x"]]
        return Features(arrays["x"])

    return type("Broken", (good,), {"encode": encode})


def remembers_by_content(good: Any) -> Any:
    known: dict[bytes, Any] = {}

    def encode(self: Any, arrays: Any) -> Features:
        rows = [known.setdefault(row.tobytes(), row.copy()) for row in arrays["x"]]
        return Features(np.stack(rows))

    return type("Broken", (good,), {"encode": encode})


def loose_config(good: Any) -> Any:
    class Loose(BaseModel):
        model_config = {"extra": "forbid"}
        length: int = 3

    return type("Broken", (good,), {"Config": Loose})


def config_that_json_changes(good: Any) -> Any:
    class Lossy(PluginConfig):
        length: int = Field(default=4, exclude=True)

    return type("Broken", (good,), {"Config": Lossy})


def nameless(good: Any) -> Any:
    return type("Broken", (good,), {"name": ""})


def undocumented(good: Any) -> Any:
    return type("Broken", (good,), {"__doc__": None})


def writes_into_payloads(good: Any) -> Any:
    def decode(self: Any, payload: Any) -> Any:
        value = good.decode(self, payload)
        if isinstance(payload.data, list):
            payload.data.append(0.0)
        return value

    return type("Broken", (good,), {"decode": decode})


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
        ("declares_itself", nameless, "name must be set"),
        ("declares_itself", undocumented, "no docstring"),
        ("config_is_strict", lax_config, "takes an unknown key without a word"),
        ("config_is_strict", loose_config, "can be changed after it was checked"),
        ("config_is_strict", config_that_json_changes, "another one after a journey as JSON"),
        ("refuses_bad_payloads", crashes_on_bad_payloads, "raised TypeError for the payload"),
        ("refuses_bad_payloads", overflows, "and then good.encode gave NaN or infinity"),
        ("decodes_many_as_one", takes_what_it_would_refuse, "a payload that decode refuses"),
        ("decodes_many_as_one", decodes_many_otherwise, "other values than decode"),
        ("gives_what_it_declares", wrong_dims, "declared is"),
        ("takes_several_events", knows_one_event_only, "prepare raised ValueError"),
        ("batch_equals_single", normalises_over_the_batch, "in a batch than alone"),
        ("order_does_not_matter", looks_at_its_neighbour, "in another order"),
        ("is_deterministic", draws_at_random, "it draws at random"),
        ("keeps_no_state", counts_its_calls, "it keeps state"),
        ("leaves_inputs_alone", writes_into_payloads, "decode changes the payload"),
        ("leaves_inputs_alone", writes_into_values, "prepare changes the values"),
        ("leaves_inputs_alone", writes_into_arrays, "encode changes the arrays"),
        ("takes_read_only_arrays", writes_into_arrays, "cannot work on read-only arrays"),
        ("weights_survive_a_file", forgets_its_weights, "after saving and loading"),
        ("loads_in_several_processes", not_importable, "does not load or run .*AttributeError"),
        ("loads_in_several_processes", per_process, "in another process it gives other features"),
        ("is_thread_safe", shares_a_buffer, "when several threads encode"),
        ("keeps_no_memory", keeps_what_it_saw, "it keeps .* bytes of every call"),
        ("keeps_no_memory", remembers_by_content, "it keeps .* bytes of every call"),
    ],
)
def test_a_broken_modality_is_caught(
    kit: SimpleNamespace, check: str, breaking: Any, message: str
) -> None:
    payloads = kit.payloads
    if check == "decodes_many_as_one":
        payloads = [np.array(it) for it in payloads]
    subject = ModalitySubject(breaking(kit.Good), {"length": 3}, payloads)
    with pytest.raises(NonconformanceError, match=message) as caught:
        MODALITY_CHECKS[check](subject)
    assert str(caught.value).startswith(f"{subject.plugin.name}: ")
    with pytest.raises(NonconformanceError):
        check_modality(subject.plugin, {"length": 3}, payloads)


def test_every_check_has_a_broken_modality() -> None:
    (mark,) = test_a_broken_modality_is_caught.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in mark.args[1]} == set(MODALITY_CHECKS)
