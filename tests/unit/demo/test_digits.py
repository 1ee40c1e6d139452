"""Digits seen, heard and guessed: what is in the recordings, and that they can be learnt."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sensorium.errors import ConfigError, MissingExtraError, RunError
from sensorium.host import default_host, load_pipeline
from sensorium.train import fit
from sensorium.wire import read_record, read_recording

pytest.importorskip("espeakng_loader", reason="needs pip install 'sensorium[digits]'")
pytest.importorskip("mlxtend", reason="needs pip install 'sensorium[digits]'")

from sensorium.demo import DEMOS, Damage
from sensorium.demo._digits import RATE, WORDS, sessions
from sensorium.demo._digits_scene import DigitsScene
from sensorium.demo._spoken import SpokenScene
from sensorium.demo._voices import Speaker

PIPELINE = Path(__file__).parents[3] / "deploy" / "pipelines" / "digits.yaml"
SECOND = 1_000_000_000


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
    assert all(sound.shape == (RATE,) and np.abs(sound).max() > 500 for sound in sounds)


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


def logged(scene, path, **damage):
    """What the log gets: log time, topic, key, time and payload."""
    scene.record(path, Damage(**damage))
    return [(it.arrived, it.topic, read_record(it)) for it in read_recording(path)]


def test_a_second_of_a_session_is_a_window_of_its_own(train, tmp_path):
    scene = DigitsScene(train, 3)
    records = logged(scene, tmp_path / "a.mcap")
    assert [it[0] for it in records] == sorted(it[0] for it in records)
    for _, topic, envelope in records:
        digit = scene.truth(envelope.key, envelope.time)
        if topic == "truth":
            assert envelope.payload.data["digit"] == digit
            assert -5 <= envelope.payload.data["louder"] <= 15
        # Nothing reaches beyond its second.
        end = envelope.time + max(1, envelope.duration or 0) - 1
        assert scene.truth(envelope.key, end) == digit
        assert end // SECOND == envelope.time // SECOND
    sounds = [it for _, topic, it in records if topic == "digits.microphone"]
    assert len(sounds) == 4 * 6 * 20


def test_damage_to_the_digits_is_what_it_says(train, tmp_path):
    scene = DigitsScene(train, 3)
    whole = logged(scene, tmp_path / "whole.mcap")
    lost = logged(scene, tmp_path / "lost.mcap", lose=0.4)
    slow = logged(scene, tmp_path / "slow.mcap", disorder=3 * SECOND)
    silent = logged(scene, tmp_path / "silent.mcap", outage=0.4)
    astray = logged(scene, tmp_path / "astray.mcap", shuffle_keys=True)

    def shown(records):
        return {
            (it.key, it.time, topic, str(np.asarray(it.payload.data).sum(dtype=np.int64)))
            for _, topic, it in records
            if topic not in ("truth", "digits.chat")
        }

    assert len(shown(lost)) < 0.7 * len(shown(whole))
    assert len(shown(silent)) < 0.8 * len(shown(whole))
    assert shown(slow) == shown(whole) > shown(lost)
    moved = shown(astray) - shown(whole)
    assert {topic for _, _, topic, _ in moved} == {"digits.microphone"}
    assert len(moved) > 100


def test_perfect_sets_are_those_that_were_meant(train):
    scene = DigitsScene(train, 3)
    found = list(scene.perfect(SECOND, SECOND, lambda stream, payload: payload.data))
    assert len(found) == 6 * 20
    for digit, aligned in found:
        assert scene.truth(aligned.key, aligned.time) == digit
        assert {"camera", "microphone"} <= set(aligned.members)
        assert len(aligned.members["microphone"][0].value) == RATE
    assert 0.5 < sum("chat" in aligned.members for _, aligned in found) / len(found) < 0.9
    with pytest.raises(ValueError, match="the windows must be, too"):
        list(scene.perfect(2 * SECOND, SECOND, lambda stream, payload: payload.data))


def test_voices_differ_and_one_that_there_is_not_is_refused():
    speaker = Speaker()
    man, woman = (speaker.say("seven", voice, 160, 50) for voice in ("en-us+m1", "en-us+f2"))
    length = min(len(man), len(woman))
    assert 0.1 < length / speaker.rate < 2
    assert np.corrcoef(man[:length], woman[:length])[0, 1] < 0.9
    with pytest.raises(RunError, match="has no voice 'en-us-nowhere'"):
        speaker.say("seven", "en-us-nowhere", 160, 50)


def test_the_sound_is_the_same_in_every_process():
    program = (
        "import hashlib\n"
        "from sensorium.demo._digits import sessions\n"
        "(one,) = sessions(1, 5, 0, held_out=False)\n"
        "print(hashlib.sha256(b''.join(it.tobytes() for it in one.sounds)).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(told) == 1


def test_real_speech_is_played_by_the_names_of_its_files(tmp_path):
    soundfile = pytest.importorskip("soundfile", reason="needs pip install 'sensorium[audio]'")
    speaker = Speaker()
    for name, voice in (("7_ann_0", "en-us+f2"), ("1_bob_0", "en-us+m1"), ("notes", "en-us+m2")):
        word = speaker.say("seven", voice, 160, 50)
        soundfile.write(tmp_path / f"{name}.wav", word, speaker.rate)
    # A long one: three seconds, of which the word is in the last.
    late = np.concatenate([np.zeros(2 * speaker.rate, np.float32), word])
    soundfile.write(tmp_path / "3_ann_1.wav", late, speaker.rate)
    scene = SpokenScene(tmp_path)
    assert scene.introduction.startswith("3 files of 2 people in ")
    records = [it for _, topic, it in logged(scene, tmp_path / "real.mcap") if topic != "truth"]
    assert [(it.key, scene.truth(it.key, it.time)) for it in records] == [
        ("bob", "1"), ("ann", "3"), ("ann", "7")
    ]  # fmt: skip
    assert records[1].duration == SECOND
    samples, _ = soundfile.read(io.BytesIO(records[1].payload.data))
    assert np.abs(samples).max() == pytest.approx(np.abs(word).max(), abs=1e-3)


def test_a_folder_without_real_speech_is_refused(tmp_path):
    pytest.importorskip("soundfile", reason="needs pip install 'sensorium[audio]'")
    with pytest.raises(ConfigError, match=r"has no file named digit_speaker_index\.wav"):
        SpokenScene(tmp_path)
    (tmp_path / "1_ann_0.wav").write_bytes(b"not a sound")
    with pytest.raises(ConfigError, match=r"1_ann_0\.wav cannot be read: "):
        SpokenScene(tmp_path)


def test_without_the_packages_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sensorium\[digits\]'"):
        Speaker()


def test_what_is_missing_is_named_before_anything_begins(monkeypatch):
    monkeypatch.setattr(
        "sensorium.demo._demos.find_spec", lambda name: None if name == "PIL" else name
    )
    with pytest.raises(MissingExtraError) as caught:
        DEMOS["digits"].require_packages()
    assert str(caught.value) == (
        "sensorium demo digits needs Pillow, which is not installed: "
        "pip install 'sensorium[digits]'"
    )


@pytest.mark.torch
@pytest.mark.timeout(400)
def test_the_pipeline_learns_them_from_a_recording(tmp_path):
    pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")
    pipeline = load_pipeline(PIPELINE)
    path = tmp_path / "digits.mcap"
    DigitsScene(list(sessions(12, 10, seed=0, held_out=False)), 0).record(path, Damage())
    report = fit(
        pipeline, default_host(), [path], tmp_path / "out.safetensors",
        epochs=10, learning_rate=0.005, progress=False,
    )  # fmt: skip
    found = report.metrics["digit"]
    assert {"camera alone", "microphone alone", "chat alone"} <= set(found)
    assert found["all streams"].metrics["accuracy"] > 0.25  # by chance it were a tenth
