"""Images, sound and records as users send them, and the payloads that are refused."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from pydantic import ValidationError

from sensorium.errors import MissingExtraError, PayloadError
from sensorium.plugin import Payload
from sensorium_plugins.modalities import AudioMel, ImageCnn, Tabular, TextEmbedding, TextTfidf

SECOND = 1_000_000_000


def image(**config):
    pytest.importorskip("PIL.Image", reason="needs pip install 'sensorium[image]'")
    return ImageCnn(ImageCnn.Config(**{"height": 8, "width": 8, **config}))


def audio(**config):
    pytest.importorskip("librosa", reason="needs pip install 'sensorium[audio]'")
    return AudioMel(AudioMel.Config(**{"rate": 8000, "length": "1s", **config}))


def picture(pixels, form):
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format=form)
    return out.getvalue()


def wav(samples, rate, form="WAV"):
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=form)
    return out.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("channels", [1, 3])
def test_files_of_any_size_become_one_size(form, channels):
    pixels = np.full((30, 50, 3), 200, np.uint8)
    value = image(channels=channels).decode(Payload(picture(pixels, form)))
    assert value.shape == (8, 8, channels)
    assert abs(value.astype(int) - 200).max() <= 2


@pytest.mark.parametrize(
    "array",
    [
        np.full((8, 8), 102, np.uint8),
        np.full((8, 8, 1), 102, np.uint8),
        np.full((20, 30, 4), 102, np.uint8),
        np.full((20, 30, 3), 0.4, np.float32),
    ],
)
def test_raw_arrays_of_pixels_are_taken(array):
    assert (image().decode(Payload(array)) == 102).all()


def bomb(width, height):
    """A PNG of some hundred bytes that says it has so many pixels."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(10_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GIF89a not taken", "no JPEG or PNG that can be read"),
        (bomb(60_000, 60_000), "the image has too many pixels: .*3600000000"),
        (bomb(1000, 1000), "1000 x 1000 pixels; the stream's `max_pixels` is 10000"),
        (bomb(90, 90), "no JPEG or PNG that can be read"),
        (np.zeros((200, 200), np.uint8), "200 x 200 pixels"),
        (np.zeros((8, 8, 2), np.uint8), r"shape \(8, 8, 2\); expected \(height, width\)"),
        (np.zeros((8, 8), np.int64), "uint8 or of floats from 0 to 1, not int64"),
        (np.full((8, 8), 2.0), "not from 0 to 1"),
        (np.full((8, 8), np.nan), "not from 0 to 1"),
        ("cat.png", "not str"),
    ],
    ids=range(10),
)
def test_bad_and_huge_images_are_refused_with_a_reason(data, message):
    with pytest.raises(PayloadError, match=message):
        image(max_pixels=10_000).decode(Payload(data))


def test_a_cut_file_is_refused():
    data = picture(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8), "JPEG")
    with pytest.raises(PayloadError, match="no JPEG or PNG that can be read"):
        image().decode(Payload(data[: len(data) // 2]))


@pytest.mark.torch
def test_images_are_varied_in_training_and_never_in_serving():
    torch = pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")
    plugin = image(flip=True, shift=0.2, contrast=0.3, dropout=0.0)
    module = plugin.module()
    pixels = torch.randint(0, 255, (1, 8, 8, 3), dtype=torch.uint8)
    with torch.no_grad():
        served = [module(pixels) for _ in range(3)]
        module.train()
        trained = [module(pixels) for _ in range(3)]
    assert torch.equal(served[0], served[1])
    assert not torch.allclose(trained[0], trained[1], atol=1e-3)


def spectrum(plugin, samples, *chunks, end=SECOND):
    items = [samples([(time, plugin.decode(payload)) for time, payload in chunks], 0, end)]
    return plugin.prepare(items)


def tone(rate, seconds=1.0, hertz=440.0):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(
        np.float32
    )


def test_sound_of_any_form_gives_the_same_spectrum(samples):
    plugin, wave = audio(), tone(8000)
    whole = (wave * 32768).astype("<i2")
    forms = [
        Payload(wave),
        Payload(whole),
        Payload(np.stack([wave, wave], axis=1)),
        Payload(whole.tobytes(), "audio/pcm"),
        Payload(whole.astype(">i2").tobytes(), "audio/L16; rate=8000"),
        Payload(wav(wave, 8000)),
        Payload(wav(wave, 8000, "FLAC")),
    ]
    found = [spectrum(plugin, samples, (0, form)) for form in forms]
    for other in found:
        assert other["mask"].all()
        # In the bands that hold the tone; in the others there is only the noise of rounding.
        loud = found[0]["signal"] > -8
        np.testing.assert_allclose(other["signal"][loud], found[0]["signal"][loud], atol=0.2)


def test_chunks_are_joined_and_resampled_without_a_click(samples):
    plugin, wave = audio(), tone(44_100)
    one = spectrum(plugin, samples, (0, Payload(wav(wave, 44_100))))
    halves = [(at * SECOND // 2, Payload(wav(part, 44_100))) for at, part in
              enumerate(np.split(wave, 2))]  # fmt: skip
    two = spectrum(plugin, samples, *halves)
    loud = one["signal"] > -8
    np.testing.assert_allclose(two["signal"][loud], one["signal"][loud], atol=0.05)
    strongest = one["signal"][0].mean(axis=0).argmax()
    assert one["signal"][0].argmax(axis=1).tolist() == [strongest] * one["mask"].shape[1]


def test_what_is_not_there_is_masked(samples):
    plugin = audio()
    arrays = spectrum(plugin, samples, (SECOND // 2, Payload(tone(8000, 0.25))))
    there = np.flatnonzero(arrays["mask"][0]) * 0.010
    assert 0.48 < there.min() < 0.52
    assert 0.7 < there.max() < 0.75
    assert not arrays["signal"][~arrays["mask"]].any()


@pytest.mark.parametrize(
    ("data", "media", "message"),
    [
        (b"RIFF nothing", None, "no WAV or FLAC that can be read"),
        (b"abc", "audio/pcm", "3 bytes are no whole number of samples"),
        (np.zeros(17_000, np.float32), None, "17000 samples at 8000 Hz; .*`max_seconds` is 2"),
        (np.zeros((2, 2, 2), np.float32), None, "expected .samples"),
        (np.zeros(0, np.float32), None, "expected .samples"),
        (np.full(9, np.nan), None, "NaN, infinite"),
        (np.zeros(9, np.uint8), None, "signed integers or floats, not uint8"),
        ("la la", None, "not str"),
    ],
)
def test_bad_and_long_sound_is_refused_with_a_reason(data, media, message):
    with pytest.raises(PayloadError, match=message):
        audio(max_seconds=2).decode(Payload(data, media))


def test_a_long_file_is_refused_before_it_is_decoded():
    quiet = wav(np.zeros(8000 * 60), 8000, "FLAC")
    assert len(quiet) < 20_000
    with pytest.raises(PayloadError, match="480000 samples at 8000 Hz"):
        audio(max_seconds=2).decode(Payload(quiet))


def test_a_file_of_absurd_dimensions_is_refused_before_it_is_decoded():
    many = wav(np.zeros((4, 200)), 8000)
    with pytest.raises(PayloadError, match="200 channels at 8000 Hz; at most 16"):
        audio().decode(Payload(many))
    fast = wav(np.zeros(4), 2_000_000)
    with pytest.raises(PayloadError, match="1 channels at 2000000 Hz"):
        audio().decode(Payload(fast))


def test_a_set_without_a_whole_frame_is_refused(samples):
    with pytest.raises(PayloadError, match="no frame of 25ms with sound"):
        spectrum(audio(), samples, (0, Payload(np.zeros(40, np.float32))))


def test_a_record_becomes_columns_and_the_newest_value_counts(samples):
    plugin = Tabular(Tabular.Config(numbers=["heat", "pulse"], categories={"ward": ["a", "b"]}))
    values = [
        plugin.decode(Payload(record))
        for record in ({"heat": 37, "ward": "a"}, {"heat": 39.5, "extra": "x"}, {"ward": "other"})
    ]
    item = samples(list(enumerate(values[:2])))
    assert plugin.encode(plugin.prepare([item])).data.tolist() == [[10, 0, 0, 1, 1, 0]]  # cut at 10
    arrays = plugin.prepare([samples([(0, value)]) for value in values])
    plugin.load("cpu", plugin.fit(arrays))
    assert plugin.encode(arrays).data.round(3).tolist() == [
        [-1, 0, 0, 1, 1, 0],
        [1, 0, 0, 1, 0, 0],
        [0, 0, 1, 1, 0, 0],
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1, 2], "a mapping of fields, not list"),
        ({"heat": "hot"}, "heat is str, not a number"),
        ({"heat": float("nan")}, "heat is NaN"),
        ({"heat": 10**400}, "beyond 1e18"),
        ({"heat": 1, "ward": []}, "ward is list, not a category"),
        ({"ward": "a"}, "the record lacks heat"),
    ],
)
def test_bad_records_are_refused_with_a_reason(data, message):
    config = Tabular.Config(numbers=["heat"], categories={"ward": ["a"]}, required=["heat"])
    with pytest.raises(PayloadError, match=message):
        Tabular(config).decode(Payload(data))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "name at least one field"),
        ({"numbers": ["a", "a"]}, "a named twice"),
        ({"numbers": ["a"], "required": ["b"]}, "required names b"),
        ({"categories": {"a": ["x", "x"]}}, "categories.a names a value twice"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(config, message):
    with pytest.raises(ValidationError, match=message):
        Tabular.Config(**config)


def test_a_bag_of_words_counts(samples):
    items = [samples([(0, "to be or not to be")])]
    for weighting, greatest in (("counts", 2.0), ("binary", 1.0)):
        config = TextTfidf.Config(dim=4096, words=[1, 1], chars=[], weighting=weighting)
        row = TextTfidf(config).encode(TextTfidf(config).prepare(items)).data[0]
        assert row.max() == greatest
        assert (row > 0).sum() == 4


def test_of_a_long_text_the_last_words_are_read(samples):
    plugin = TextEmbedding(TextEmbedding.Config(max_tokens=3))
    rows = plugin.prepare(
        [samples([(0, "one two three four")]), samples([(0, "two"), (1, "three four")])]
    )["tokens"]
    assert rows[0].tolist() == rows[1].tolist()
    assert (rows > 0).all()


def test_without_its_package_a_plugin_names_the_command(monkeypatch):
    import sys

    plugins = image(), audio()
    for name in ("PIL", "PIL.Image", "soundfile"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"Pillow.*pip install 'sensorium\[image\]'"):
        plugins[0].decode(Payload(np.zeros((8, 8), np.uint8)))
    with pytest.raises(MissingExtraError, match=r"soundfile.*pip install 'sensorium\[audio\]'"):
        plugins[1].decode(Payload(b"RIFF"))
