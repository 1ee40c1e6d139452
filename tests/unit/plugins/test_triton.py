"""Triton without a server: how calls are repeated, what is compared, what is refused."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from tritonclient.utils import InferenceServerException

from sensorium.errors import PluginError, UnavailableError
from sensorium.plugin import FeatureSpec, Payload
from sensorium_plugins._triton import Contract, Tensor, TritonConfig
from sensorium_plugins._triton._memory import is_local
from sensorium_plugins._triton._retry import Repeater
from sensorium_plugins.fusions import Triton as TritonFusion
from sensorium_plugins.modalities import Triton as TritonModality
from sensorium_plugins.tasks import Regression

LEVEL = Regression(Regression.Config())
TEXT = {"modality": "text-tfidf", "config": {"dim": 8}}


class Failing:
    """Fails so many times with a code, then answers."""

    def __init__(self, times: int, code: str, message: str = "gone") -> None:
        self.left, self.code, self.message = times, code, message

    def __call__(self) -> str:
        if self.left:
            self.left -= 1
            raise InferenceServerException(self.message, f"StatusCode.{self.code}")
        return "answer"


def repeater(slept: list[float], **given: Any) -> Repeater:
    config = TritonConfig.model_validate({"url": "h:1", "model": "m", **given})
    return Repeater(config, "modality 'triton'", slept.append, Random(0))


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "NOT_FOUND"])
def test_what_may_pass_is_tried_again_after_growing_random_pauses(code: str) -> None:
    slept: list[float] = []
    assert repeater(slept, retries=12, pause="100ms").call(Failing(9, code)) == "answer"
    limits = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5]
    assert len(slept) == 9
    assert all(0 <= pause <= limit for pause, limit in zip(slept, limits, strict=True))
    assert len(set(slept)) == 9


def test_what_does_not_pass_within_the_retries_is_unavailable() -> None:
    slept: list[float] = []
    with pytest.raises(
        UnavailableError, match=r"model 'm' at h:1 did not answer within 2s, tried 3 times: gone"
    ):
        repeater(slept, retries=2).call(Failing(3, "UNAVAILABLE"))
    assert len(slept) == 2


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("INVALID_ARGUMENT", "unexpected shape"),
        ("UNAVAILABLE", "This protocol is restricted, expecting header 'x'"),
    ],
)
def test_what_never_passes_is_refused_at_once(code: str, message: str) -> None:
    slept: list[float] = []
    with pytest.raises(PluginError, match=f"refuses the call: {message}"):
        repeater(slept).call(Failing(1, code, message))
    assert slept == []


@pytest.mark.parametrize(
    ("shape", "other", "fits"),
    [
        ((None, 64), (None, 64), True),
        ((None, 64), (8, None), True),
        ((None, 64), (None, 32), False),
        ((None, 64), (None, 64, 1), False),
    ],
)
def test_tensors_fit_by_their_axes_behind_the_item(shape: Any, other: Any, fits: bool) -> None:
    assert Tensor(("FP32",), shape).fits(Tensor(("FP16", "FP32"), other)) is fits
    assert not Tensor(("INT8",), shape).fits(Tensor(("FP32",), other))


def test_a_model_with_a_fixed_number_of_items_is_refused() -> None:
    given = {"x": Tensor(("FP32",), (None, 8))}
    assert Contract({"x": Tensor(("FP32",), (1, 8))}, {}, 1).input_faults(given, "text") == []
    (fault,) = Contract({"x": Tensor(("FP32",), (4, 8))}, {}, 1).input_faults(given, "text")
    assert "first axis must be the item" in fault


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("localhost:8001", True),
        ("127.0.0.1:8001", True),
        ("[::1]:8001", True),
        ("triton.models.svc:8001", False),
        ("10.1.2.3:8001", False),
    ],
)
def test_shared_memory_is_for_this_machine(url: str, local: bool) -> None:
    assert is_local(TritonConfig.model_validate({"url": url, "model": "m"}).url) is local


@pytest.mark.parametrize("url", ["localhost", "http://localhost:8001", ":8001", "a b:1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="is not host:port of the server's gRPC endpoint"):
        TritonConfig.model_validate({"url": url, "model": "m"})


@pytest.mark.parametrize(
    ("preprocess", "message"),
    [
        ({"modality": "text-tf"}, "did you mean"),
        ({"modality": "triton"}, "name a modality that prepares by itself"),
        ({"modality": "text-tfidf", "config": {"dim": 1}}, "config.dim: Input should be greater"),
    ],
)
def test_a_preprocess_that_cannot_be_made_is_refused(preprocess: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TritonModality.Config.model_validate({"url": "h:1", "model": "m", "preprocess": preprocess})


def test_it_takes_its_payloads_and_feature_from_the_modality_inside() -> None:
    config = {"url": "h:1", "model": "m", "preprocess": TEXT}
    modality = TritonModality(TritonModality.Config.model_validate(config))
    assert (modality.per, modality.prepare_at) == ("set", "ingest")
    assert modality.feature == FeatureSpec(8)
    assert modality.decode(Payload(b"text")) == "text"
    with pytest.raises(PluginError, match="encode is called before load"):
        modality.encode({"counts": np.zeros((1, 8), np.float32)})
    inner = {"modality": "image-cnn", "config": {}}
    images = TritonModality(TritonModality.Config.model_validate(config | {"preprocess": inner}))
    assert images.per == "event"


def test_a_fusion_is_refused_with_streams_and_tasks_that_there_are_not() -> None:
    config = TritonFusion.Config.model_validate(
        {"url": "h:1", "model": "m", "inputs": {"chats": "x"}, "outputs": {"level": "y"}}
    )
    with pytest.raises(ValueError, match=r"`inputs` names 'chats'; there are chat, chat\.mask,"):
        TritonFusion(config, {"chat": FeatureSpec(4, "sequence")}, {"level": LEVEL})
