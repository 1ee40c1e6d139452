"""Models on a real Triton Inference Server: what they give, what is refused, and how it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from triton_server import TritonServer

from sensorium.errors import ConfigError, PluginError, UnavailableError
from sensorium.events import AlignedSet, Event
from sensorium.host import load_pipeline
from sensorium.plugin import Features, FeatureSpec, Payload
from sensorium.stages import Encoder
from sensorium.testing import check_fusion, check_modality
from sensorium_plugins.fusions import Concat
from sensorium_plugins.fusions import Triton as TritonFusion
from sensorium_plugins.modalities import TextTfidf
from sensorium_plugins.modalities import Triton as TritonModality
from sensorium_plugins.tasks import Classification

#: The first to need the server makes its environment, with some 60 MB to fetch.
pytestmark = pytest.mark.timeout(400)

Config = Callable[..., dict[str, Any]]

TEXTS = [f"the pump is {word} again" for word in ("slow", "hot", "loud", "off", "on")]


@pytest.fixture
def text(triton: TritonServer) -> Config:
    """The configuration of a stream of texts."""

    def build(**given: Any) -> dict[str, Any]:
        inner = {"modality": "text-tfidf", "config": {"dim": 64}}
        return {"url": triton.url, "model": "text", "preprocess": inner, "start": "1s", **given}

    return build


def modality(config: dict[str, Any]) -> TritonModality:
    made = TritonModality(TritonModality.Config.model_validate(config))
    made.load("cpu", None)
    return made


def counts(rows: int, dim: int = 64) -> dict[str, np.ndarray]:
    return {"counts": np.random.default_rng(0).poisson(0.2, (rows, dim)).astype(np.float32)}


def local(arrays: dict[str, np.ndarray]) -> np.ndarray:
    made = TextTfidf(TextTfidf.Config.model_validate({"dim": 64}))
    return made.encode(arrays).data


def test_a_modality_on_the_server_passes_the_conformance_kit(text: Config) -> None:
    check_modality(TritonModality, text(), TEXTS)


@pytest.mark.parametrize("model", ["text", "text-unbatched"])
@pytest.mark.parametrize("shared_memory", ["auto", "off"])
def test_a_batch_of_any_size_gives_what_the_modality_itself_gives(
    text: Config, model: str, shared_memory: str
) -> None:
    served = modality(text(model=model, shared_memory=shared_memory))
    for rows in (1, 8, 21, 3):  # the model takes 8 at most, or any number
        arrays = counts(rows)
        np.testing.assert_allclose(served.encode(arrays).data, local(arrays), atol=1e-6)


def test_many_threads_share_one_model(text: Config) -> None:
    served, found = modality(text()), {}

    def encode(number: int) -> None:
        arrays = {"counts": np.roll(counts(10)["counts"], number, axis=1)}
        found[number] = np.abs(served.encode(arrays).data - local(arrays)).max()

    threads = [threading.Thread(target=encode, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 8
    assert max(found.values()) < 1e-6


def test_sequences_come_with_their_steps_and_chosen_inputs(triton: TritonServer) -> None:
    inner = {"modality": "sensor-cnn", "config": {"channels": 3, "rate": 10, "length": "1s"}}
    config = {"url": triton.url, "model": "steps", "preprocess": inner, "dim": 3}
    config |= {"kind": "sequence", "output": "features", "mask": "steps"}
    served = modality(config)
    signal = np.random.default_rng(0).normal(size=(5, 10, 3)).astype(np.float32)
    mask = np.arange(10) < np.array([[1], [4], [10], [2], [7]])
    features = served.encode({"signal": signal, "mask": mask})
    np.testing.assert_array_equal(features.data, signal)
    np.testing.assert_array_equal(features.mask, mask)


def test_a_server_that_allows_no_shared_memory_is_called_without(
    triton: TritonServer, text: Config
) -> None:
    served = modality(text())
    served.encode(counts(2))
    assert served.shares_memory
    triton.kill()
    triton.start("--grpc-restricted-protocol", "shared-memory:key=of-somebody-else")
    served = modality(text())
    arrays = counts(20)
    np.testing.assert_allclose(served.encode(arrays).data, local(arrays), atol=1e-6)
    assert not served.shares_memory


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"preprocess": {"modality": "text-tfidf", "config": {"dim": 32}}, "dim": 64},
        r"model 'text' at 127.0.0.1:\d+ does not fit the pipeline: the model's input 'counts' is "
        r"FP32 of shape \(items, 64\), and text-tfidf gives FP32 of shape \(items, 32\)$",
    ),
    (
        {"preprocess": {"modality": "sensor-cnn", "config": {"channels": 3, "rate": 50}}},
        r"sensor-cnn gives 'mask' \(BOOL of shape \(items, 100\)\), and the model has no such "
        r"input \(it has 'counts'\).*'counts' \(FP32 of shape \(items, 64\)\) is not among what "
        r"sensor-cnn gives \('signal', 'mask'\)",
    ),
    ({"dim": 7}, r"output 'features' is FP32 .* and the feature \(vector\) wants .*\(items, 7\)"),
    ({"kind": "sequence"}, r"the feature \(sequence\) wants .* of shape \(items, any, 64\)"),
    ({"output": "vectors"}, r"wants 'vectors' .* no such output \(it has 'features'\)"),
    ({"inputs": {"tokens": "counts"}}, "names the array 'tokens', and text-tfidf gives counts"),
    ({"model": "steps"}, "the model has the outputs features, steps: say in `output` which"),
    ({"model": "txt"}, r"has no model 'txt' that is ready \(waited 1s\): load it there"),
    ({"version": "9"}, "has no model 'text' version 9 that is ready"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_a_model_that_does_not_fit_is_refused_at_start_up(
    text: Config, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(PluginError, match=message):
        modality(text(**given))


def test_a_pipeline_says_what_is_wrong_with_the_modality_inside(text: Config) -> None:
    wrong = text(preprocess={"modality": "text-tfidf", "config": {"dimension": 64}})
    content = {
        "pipeline": "p",
        "streams": {"chat": {"modality": "triton", "config": wrong}},
        "align": {"policy": "exact"},
        "fusion": {"plugin": "concat"},
        "tasks": {"mood": {"type": "classification", "labels": ["calm", "upset"]}},
    }
    with pytest.raises(ConfigError, match=r"streams.chat.config.preprocess.*config\.dimension"):
        load_pipeline(content)


def test_an_item_that_the_model_refuses_is_found_among_the_others(text: Config) -> None:
    served = modality(text(model="text-unbatched"))
    values = ["quiet", "loud " * 9, "quiet", "quiet"]
    sets = [
        AlignedSet("k", at, {"chat": (Event("chat", "k", at, served.decode(Payload(value))),)}, {})
        for at, value in enumerate(values)
    ]
    batch = Encoder({"chat": served}).encode(sets)
    assert batch.present["chat"].tolist() == [True, False, True, True]
    (letter,) = batch.letters(sets)
    assert letter.error == "PluginError"
    assert "refuses the call: " in letter.message
    assert "an item is larger than this model takes" in letter.message


def test_a_server_that_comes_back_within_the_retries_is_not_missed(
    triton: TritonServer, text: Config
) -> None:
    served = modality(text(retries=60, pause="200ms"))
    arrays = counts(5)
    served.encode(arrays)
    triton.kill()
    again = threading.Thread(target=triton.start)
    again.start()
    # The new server knows nothing of the regions of shared memory of the old one.
    np.testing.assert_allclose(served.encode(arrays).data, local(arrays), atol=1e-6)
    again.join(60)
    assert served.shares_memory


def test_a_server_that_does_not_come_back_is_unavailable(
    triton: TritonServer, text: Config
) -> None:
    served = modality(text(retries=2, pause="10ms"))
    triton.kill()
    with pytest.raises(UnavailableError, match=r"did not answer within 2s, tried 3 times: "):
        served.encode(counts(5))
    with pytest.raises(UnavailableError, match=r"no Triton server answers at .* \(waited 1s\)"):
        modality(text())


FEATURES = {"chat": FeatureSpec(64), "room": FeatureSpec(2)}
MOOD = {"mood": Classification(Classification.Config(labels=["calm", "upset"]))}


def test_a_fusion_on_the_server_passes_the_kit_and_gives_what_it_gives_here(
    triton: TritonServer,
) -> None:
    config = {"url": triton.url, "model": "mood", "gives": "activated", "contribution": "shares"}
    check_fusion(TritonFusion, config, FEATURES, MOOD)
    served = TritonFusion(TritonFusion.Config.model_validate(config), FEATURES, MOOD)
    served.load("cpu", None)
    here = Concat(Concat.Config(), FEATURES, MOOD)
    here.load("cpu", None)
    random = np.random.default_rng(0)
    features = {
        name: Features(random.normal(size=(40, spec.dim)).astype(np.float32))
        for name, spec in FEATURES.items()
    }
    present = {"chat": np.arange(40) % 3 > 0, "room": np.arange(40) % 4 > 0}
    theirs, ours = served.fuse(present, **features), here.fuse(present, **features)
    np.testing.assert_allclose(theirs["mood"].scores, ours["mood"].scores, atol=1e-6)
    np.testing.assert_allclose(theirs["mood"].contribution, ours["mood"].contribution, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"outputs": {"mood": "moods"}}, "the task 'mood' wants 'moods' .* no such output"),
        ({"inputs": {"chat": "chat"}}, r"'room' \(FP32 .*\) is not among what the pipeline gives"),
        ({"contribution": "weights"}, "`contribution` wants 'weights' .* no such output"),
        ({"model": "text"}, r"the pipeline gives 'present' \(BOOL of shape \(items, 2\)\), and"),
    ],
)
def test_a_fusion_that_does_not_fit_is_refused_at_start_up(
    triton: TritonServer, given: dict[str, Any], message: str
) -> None:
    config = {"url": triton.url, "model": "mood", **given}
    fusion = TritonFusion(TritonFusion.Config.model_validate(config), FEATURES, MOOD)
    with pytest.raises(PluginError, match=message):
        fusion.load("cpu", None)
