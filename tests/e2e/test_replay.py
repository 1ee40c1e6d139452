"""One recording, replayed at any speed and in any order within the lateness: the same answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import sensorium_plugins
from sensorium.host import PluginHost, load_pipeline
from sensorium.plugin import Payload, Record
from sensorium.runtime import LocalExecutor, Models
from sensorium.testing import MemorySink
from sensorium.wire import Envelope, RecordingWriter, read_record, read_recording, write_envelope
from sensorium_plugins.sources import McapConfig, McapSource

SECOND = 10**9
START = 1_700_000_000 * SECOND
SPAN = SECOND // 2
LATENESS = SECOND
LABELS = ["PEN", "ABD", "FEL", "IR"]
STREAMS = ("accel", "gyro")

MODELS = {
    "stats": ("sensor-stats", {"plugin": "concat", "hidden": [16]}),
    "cnn": ("sensor-cnn", {"plugin": "gated"}),
}


@pytest.fixture(params=["stats", pytest.param("cnn", marks=pytest.mark.torch)])
def model(request):
    if request.param == "cnn":
        pytest.importorskip("torch", reason="needs pip install 'sensorium[torch]'")
    return request.param


@pytest.fixture
def recording(tmp_path):
    """Six keys of two streams at 50 Hz in chunks of half a second, some of them lost."""
    random = np.random.default_rng(7)
    records = []
    for key in range(6):
        for number in range(24):
            time = START + key * SECOND // 9 + number * SPAN
            for column, stream in enumerate(STREAMS):
                if random.random() < 0.15 or (key == 2 and stream == "gyro" and number > 8):
                    continue
                chunk = random.normal(key, 1 + column, size=(25, 3)).astype(np.float32)
                envelope = Envelope(stream, f"k{key}", time, Payload(chunk))
                arrived = time + SPAN + 50_000_000 + column
                records.append(Record(stream, 0, 0, write_envelope(envelope), arrived=arrived))
    records.sort(key=lambda it: it.arrived)
    # Offsets are where a record was first logged: they stay with it in whatever order it comes.
    numbered = [replace(it, offset=number) for number, it in enumerate(records)]
    return write(tmp_path / "recorded.mcap", numbered)


def write(path, records):
    with RecordingWriter(path) as writer:
        for record in records:
            writer.write(record)
    return path


def shuffled(path, seed):
    """The same records, each logged up to almost the lateness later than it was."""
    random = np.random.default_rng(seed)
    late = [
        replace(it, arrived=it.arrived + int(random.integers(0, LATENESS)))
        for it in read_recording(path)
    ]
    late.sort(key=lambda it: it.arrived)
    return write(path.with_name(f"shuffled-{seed}.mcap"), late)


def replay(path, model, *, speed="max", pad=False, size=16):
    """Run a recording through the whole line; time passes only where the source waits for it."""
    host = PluginHost(entry_points=[], modules=[sensorium_plugins])
    modality, fusion = MODELS[model]
    stream = {
        "modality": modality,
        "lateness": "1s",
        "max_delay": "5s",
        "config": {"channels": 3, "rate": 50},
    }
    pipeline = load_pipeline(
        {
            "pipeline": "watch",
            "streams": dict.fromkeys(STREAMS, stream),
            "align": {"policy": "window", "size": "2s", "hop": "1s", "require": "any"},
            "fusion": fusion,
            "tasks": {"exercise": {"type": "classification", "labels": LABELS}},
            "runtime": {"batch": {"size": size, "pad": pad}, "threads": 2},
        },
        plugins=host,
    )
    now = [0.0]
    source = McapSource(
        McapConfig(path=str(path), speed=speed),
        list(STREAMS),
        clock=lambda: now[0],
        # A little longer than asked for, so that rounding never leaves a record just not due.
        wait=lambda seconds: now.__setitem__(0, now[0] + seconds + 1e-6),
    )
    sink = MemorySink()
    events = {}
    summary = LocalExecutor(
        pipeline,
        host,
        source,
        sink,
        models=models_of(pipeline),
        on_predictions=lambda _, sets: events.update({it.id: members(it) for it in sets}),
    ).run()
    assert not sink.dead_letters
    assert summary.predictions == summary.sets == len(sink.predictions)
    return {it.id: (it, events[it.id]) for it in sink.predictions}, summary


def models_of(pipeline):
    modalities = pipeline.modalities()
    for modality in modalities.values():
        modality.load("cpu", None)
    fusion = pipeline.fusion_for(modalities)
    fusion.load("cpu", None)
    return Models(modalities, fusion)


def members(aligned):
    return {name: tuple(it.id for it in events) for name, events in aligned.members.items()}


def identity(found):
    """What must be equal to the letter: all of a prediction but its scores."""
    prediction, events = found
    return (
        prediction.key,
        prediction.time,
        prediction.members,
        events,
        prediction.absent,
        prediction.unsettled,
        prediction.revision,
        {name: task.label for name, task in prediction.tasks.items()},
    )


def scores(found):
    return np.array([list(task.scores.values()) for task in found[0].tasks.values()])


def out_of_order(path):
    """How many events come after a younger one of their own stream and key."""
    newest, count = {}, 0
    for record in read_recording(path):
        envelope = read_record(record)
        place = envelope.stream, envelope.key
        count += envelope.time < newest.get(place, envelope.time)
        newest[place] = max(newest.get(place, envelope.time), envelope.time)
    return count


def same(one, other, *, bitwise):
    assert one.keys() == other.keys()
    for name in one:
        assert identity(one[name]) == identity(other[name])
        if bitwise:
            assert scores(one[name]).tobytes() == scores(other[name]).tobytes()
        else:
            np.testing.assert_allclose(scores(one[name]), scores(other[name]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("pad", [False, True])
def test_speed_changes_nothing(recording, model, pad):
    fast, summary = replay(recording, model, pad=pad)
    assert len({scores(it).tobytes() for it in fast.values()}) > 60
    assert summary.absences["gyro"]["proven"] > 3  # so that absences are compared as well
    for speed in (40.0, 1.0):
        slow, other = replay(recording, model, speed=speed, pad=pad)
        assert other.fates == summary.fates
        same(fast, slow, bitwise=pad)


@pytest.mark.parametrize("pad", [False, True])
def test_arrival_order_within_the_lateness_changes_nothing(recording, model, pad):
    plain, summary = replay(recording, model, pad=pad)
    for seed in (1, 2):
        path = shuffled(recording, seed)
        assert out_of_order(path) > 20
        mixed, other = replay(path, model, pad=pad)
        assert other.fates == summary.fates
        assert "late" not in other.fates
        same(plain, mixed, bitwise=pad)


def test_the_order_per_key_is_the_same_at_every_speed(recording):
    def per_key(found):
        keys = {}
        for prediction, _ in found.values():
            keys.setdefault(prediction.key, []).append(prediction.time)
        return keys

    fast = per_key(replay(recording, "stats")[0])
    assert fast == {key: sorted(times) for key, times in fast.items()}
    assert per_key(replay(recording, "stats", speed=3.0)[0]) == fast
    assert per_key(replay(shuffled(recording, 3), "stats")[0]) == fast
