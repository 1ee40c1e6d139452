"""What the modality makes of electrocardiograms."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium import PayloadError, Samples
from sensorium.testing import run
from sensorium_ecg import RHYTHM, Ecg, EcgConfig, find_beats, rhythm
from sensorium_ecg.synthetic import electrocardiogram

SECOND = 1_000_000_000


@pytest.mark.parametrize("rate", [100.0, 250.0, 360.0, 500.0])
@pytest.mark.parametrize("pulse", [40.0, 60.0, 75.0, 100.0, 150.0])
def test_every_beat_is_found_and_no_other(pulse: float, rate: float) -> None:
    samples, beats = electrocardiogram(30, rate, pulse=pulse, seed=1)
    found = find_beats(samples, rate)
    assert len(found) == len(beats)
    assert np.abs(found - beats).max() <= 0.03 * rate


def test_a_real_recording_has_its_three_beats() -> None:
    data = pytest.importorskip("pywt.data", reason="needs PyWavelets: pip install --group dev")
    samples = data.ecg()
    found = find_beats(samples, 360.0)
    assert len(found) == 3
    # They stand out of everything else by far.
    assert (samples[found] > 150).all()
    assert np.ptp(np.diff(found)) < 10


@pytest.mark.parametrize("samples", [np.zeros(1000), np.full(1000, 7.5), np.zeros(3)])
def test_where_nothing_beats_no_beat_is_found(samples: np.ndarray) -> None:
    assert len(find_beats(samples, 250.0)) == 0


def test_the_sign_of_the_lead_does_not_matter() -> None:
    samples, beats = electrocardiogram(10, 250, pulse=70)
    assert np.abs(find_beats(-samples, 250) - beats).max() <= 8


def test_rate_and_variability_are_those_of_the_distances() -> None:
    beats = np.array([0, 200, 400, 620, 820])
    told = dict(zip(RHYTHM, rhythm([beats], 200.0), strict=True))
    assert told["beats"] == 5
    assert told["rate"] == 60
    assert told["spread"] == pytest.approx(0.1)
    assert told["rmssd"] == pytest.approx(np.sqrt((0.0 + 0.1**2 + 0.1**2) / 3))
    assert told["pnn50"] == pytest.approx(2 / 3)
    # A gap of an hour between two pieces is no distance.
    apart = dict(zip(RHYTHM, rhythm([beats[:3], beats[:2]], 200.0), strict=True))
    assert (apart["beats"], apart["rate"], apart["sdnn"]) == (5, 60, 0)
    assert rhythm([np.array([5])], 200.0).tolist() == [1, 0, 0, 0, 0, 0, 0]


def described(chunks: list[tuple[float, np.ndarray]], start: float, end: float) -> dict[str, float]:
    modality = Ecg(EcgConfig(rate=250.0))
    times = np.array([round(second * SECOND) for second, _ in chunks], np.int64)
    values = [chunk for _, chunk in chunks]
    durations = np.array([modality.duration(chunk) for chunk in values], np.int64)
    item = Samples(times, durations, values, round(start * SECOND), round(end * SECOND))
    (row,) = modality.encode(modality.prepare([item])).data
    return dict(zip(modality.feature_names, row.tolist(), strict=True))


def test_chunks_are_joined_and_clipped_to_the_set() -> None:
    samples, beats = electrocardiogram(20, 250, pulse=72)
    chunks = [(second, samples[second * 250 : (second + 1) * 250]) for second in range(20)]
    whole = described([(0, samples)], 0, 20)
    assert described(chunks, 0, 20) == whole
    assert whole["beats"] == len(beats)
    part = described(chunks, 5, 15)
    assert part["beats"] == pytest.approx(((beats >= 1250) & (beats < 3750)).sum(), abs=1)
    assert part["coverage"] == 1


def test_a_gap_is_not_bridged() -> None:
    samples, _ = electrocardiogram(20, 250, pulse=60, spread=0.0)
    chunks = [(0, samples[:2000]), (12.5, samples[2000:3875])]
    told = described(chunks, 0, 20)
    assert told["coverage"] == pytest.approx(0.775)
    assert told["rate"] == pytest.approx(60, abs=0.5)
    assert told["spread"] < 0.05


def test_a_set_without_a_sample_is_refused() -> None:
    with pytest.raises(PayloadError, match="no sample lies within the set"):
        described([(0, np.zeros(250))], 5, 6)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("0.5", "a list or an array, not str"),
        ([], r"shape \(samples,\), not \(0,\)"),
        ([0.1, None], "holds numbers, not object"),
        ([[0.1, 0.2]], r"not \(1, 2\)"),
        ([0.1, float("nan")], "NaN or beyond"),
        ([0.0] * 20_000, "longer than max_seconds"),
    ],
)
def test_what_is_no_chunk_is_refused(payload: object, message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        run(Ecg, [payload], {"rate": 250.0})
