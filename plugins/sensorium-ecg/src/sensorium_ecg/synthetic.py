"""Electrocardiograms with known beats, for tests and for a first try.

``python -m sensorium_ecg.synthetic ward.jsonl`` writes a ward of patients as a recording.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["electrocardiogram", "ward"]

#: Per wave of a beat: when it comes in seconds from the R peak, its width in seconds, its height.
_WAVES: Final = (
    (-0.2, 0.025, 0.15),
    (-0.03, 0.01, -0.12),
    (0.0, 0.012, 1.0),
    (0.03, 0.012, -0.2),
    (0.25, 0.045, 0.3),
)
_SECOND: Final = 1_000_000_000
_RATE: Final = 250.0
#: Beats per minute and spread of the distances, of patients whose rhythm is called so.
_RHYTHMS: Final = {"slow": (45.0, 0.02), "normal": (72.0, 0.03), "fast": (125.0, 0.02)}
_SECONDS: Final = 60


def electrocardiogram(
    seconds: float,
    rate: float,
    *,
    pulse: float,
    spread: float = 0.03,
    noise: float = 0.03,
    seed: int = 0,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Draw an electrocardiogram: a sum of bell curves per beat, with breathing, hum and noise.

    Parameters
    ----------
    seconds, rate
        How long, and with how many samples per second.
    pulse
        Beats per minute.
    spread
        The standard deviation of the distance of beats, as a share of it.
    noise
        The standard deviation of the noise, where an R peak is 1 high.
    seed
        What it is drawn from.

    Returns
    -------
    samples, beats
        The samples, shape (samples,), and the indices of the R peaks.
    """
    random = np.random.default_rng(seed)
    times = np.arange(round(seconds * rate)) / rate
    distances = (60 / pulse) * np.maximum(0.5, 1 + spread * random.normal(size=len(times)))
    peaks = 0.35 + np.cumsum(distances)
    peaks = peaks[peaks < seconds - 0.35]
    samples = 0.2 * np.sin(2 * np.pi * 0.25 * times) + 0.02 * np.sin(2 * np.pi * 50 * times)
    samples += noise * random.normal(size=len(times))
    for after, width, height in _WAVES:
        for peak in peaks:
            near = slice(
                *np.searchsorted(times, [peak + after - 5 * width, peak + after + 5 * width])
            )
            samples[near] += height * np.exp(-(((times[near] - peak - after) / width) ** 2) / 2)
    return samples, np.round(peaks * rate).astype(np.intp)


def ward(patients: int = 18, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Draw a ward: per second and patient, a chunk, vital signs now and then, and the truth.

    Yields
    ------
    dict
        Events as the lines of a recording, in the order of their log times.
    """
    random = np.random.default_rng(seed)
    beds = []
    for number in range(patients):
        label = list(_RHYTHMS)[number % len(_RHYTHMS)]
        pulse, spread = _RHYTHMS[label]
        pulse *= 1 + 0.08 * random.normal()
        samples, _ = electrocardiogram(
            _SECONDS, _RATE, pulse=pulse, spread=spread, seed=seed + number
        )
        beds.append((f"bed {number + 1}", label, samples))
    step = round(_RATE)
    for second in range(_SECONDS):
        for key, label, samples in beds:
            event = {"key": key, "time": second * _SECOND, "arrived": (second + 1) * _SECOND}
            chunk = samples[second * step : (second + 1) * step]
            yield {**event, "stream": "ecg", "data": [round(float(it), 4) for it in chunk]}
            if second % 5 == 0:
                heat = round(36.8 + 0.4 * random.normal() + (0.8 if label == "fast" else 0), 1)
                oxygen = int(np.clip(97 + random.normal(), 80, 100))
                data = {"heat": heat, "oxygen": oxygen}
                yield {**event, "stream": "vitals", "data": data}
                yield {**event, "stream": "truth", "data": {"rhythm": label}}


def main() -> None:
    """Write a ward."""
    parser = argparse.ArgumentParser(description="Write a ward of patients as a recording.")
    parser.add_argument("path", type=Path, help="the file, as ward.jsonl")
    parser.add_argument("--patients", type=int, default=18, help="how many (18)")
    parser.add_argument("--seed", type=int, default=0, help="what they are drawn from (0)")
    args = parser.parse_args()
    lines = (json.dumps(event) + "\n" for event in ward(args.patients, args.seed))
    args.path.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
