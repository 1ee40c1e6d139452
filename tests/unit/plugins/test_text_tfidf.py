from __future__ import annotations

import zlib

import numpy as np
import pytest
from pydantic import ValidationError

from sensorium.errors import PayloadError, PluginError
from sensorium.plugin import Fittable, Payload
from sensorium_plugins.modalities import TextTfidf


def tfidf(**config):
    return TextTfidf(TextTfidf.Config(**config))


@pytest.fixture
def documents(samples):
    return lambda *texts: [samples([(0, text)]) for text in texts]


def test_text_and_utf_8_bytes_are_taken():
    assert tfidf().decode(Payload("héllo")) == "héllo"
    assert tfidf().decode(Payload("héllo".encode())) == "héllo"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"ok \xff", "not UTF-8: byte 3 is wrong"),
        (7, "expected text or bytes of UTF-8, not int"),
        ("x" * 11, "has 11 characters; the stream's `max_length` is 10"),
    ],
)
def test_other_payloads_are_refused_with_the_reason(data, message):
    with pytest.raises(PayloadError, match=message):
        tfidf(max_length=10).decode(Payload(data))


def test_columns_are_a_stable_hash_of_the_grams(documents):
    plugin = tfidf(dim=64, words=[1, 2], chars=[])
    counts = plugin.prepare(documents("Good good day"))["counts"][0]
    expected = np.zeros(64)
    for gram in ("wgood", "wgood", "wday", "wgood good", "wgood day"):
        expected[zlib.crc32(gram.encode()) % 64] += 1
    assert counts.tolist() == expected.tolist()


def test_texts_of_a_set_are_one_document(samples, documents):
    plugin = tfidf(words=[1, 1])
    apart = plugin.prepare([samples([(0, "good"), (1, "day")])])["counts"]
    assert apart.tolist() == plugin.prepare(documents("good day"))["counts"].tolist()


def test_similar_texts_are_near_and_rows_have_norm_one(documents):
    plugin = tfidf()
    rows = plugin.encode(
        plugin.prepare(documents("a lovely day", "lovely days!", "stuck in traffic", "", "\ud800"))
    ).data
    assert np.linalg.norm(rows[:3], axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    assert rows[0] @ rows[1] > 2 * (rows[0] @ rows[2])
    assert not rows[3].any()
    assert np.isfinite(rows).all()


def test_case_counts_when_asked(documents):
    plugin = tfidf(lowercase=False)
    first, second = plugin.prepare(documents("DAY", "day"))["counts"]
    assert first.tolist() != second.tolist()


def test_fit_makes_common_words_count_less(documents):
    plugin = tfidf(words=[1, 1], chars=[], dim=4096)
    assert isinstance(plugin, Fittable)
    arrays = plugin.prepare(documents("the cat", "the dog", "the bird"))
    weights = plugin.fit(arrays)
    plugin.load("cpu", weights)
    the, cat = (zlib.crc32(gram) % 4096 for gram in (b"wthe", b"wcat"))
    assert weights["idf"][the] == pytest.approx(1.0)
    assert weights["idf"][cat] == pytest.approx(np.log(4 / 2) + 1)
    row = plugin.encode(arrays).data[0]
    assert row[cat] > row[the] > 0


def test_weights_of_another_dim_are_refused():
    with pytest.raises(PluginError, match=r"idf has shape \(8,\), expected \(512,\); train it"):
        tfidf().load("cpu", {"idf": np.ones(8)})
    with pytest.raises(PluginError, match="idf is missing; other is not expected"):
        tfidf().load("cpu", {"other": np.ones(8)})


@pytest.mark.parametrize("words", [[2, 1], [0, 1], [1], [1, 2, 3], [1, 11]])
def test_spans_of_grams_are_checked(words):
    with pytest.raises(ValidationError, match=r"is not \[shortest, longest\] within 1 to 10"):
        TextTfidf.Config(words=words)
