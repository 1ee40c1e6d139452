"""The records of the benchmarks: two sensors of a watch, in chunks, as a device sends them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sensorium.plugin import Payload, Record
from sensorium.wire import Envelope, write_envelope

__all__ = ["LABELS", "STREAMS", "watch_recordings", "watch_records"]

LABELS = ["PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"]
STREAMS = ("accel", "gyro")
SECOND = 1_000_000_000
RATE = 50
CHUNK = 25
START = 1_700_000_000 * SECOND
DELAY = 50_000_000


def watch_recordings() -> tuple[str, list[npt.NDArray[np.float32]]]:
    """Where the data is from, and arrays of shape (samples, 6): accelerometer, then gyroscope.

    The recordings of the package seglearn; noise of the same shapes where it is not installed.
    """
    found = importlib.util.find_spec("seglearn")
    if found is not None and found.origin is not None:
        path = Path(found.origin).parent / "data" / "watch_dataset.npy"
        # The package's own file; only this benchmark, never the engine, unpickles anything.
        held = np.load(path, allow_pickle=True).item()["X"]
        return "seglearn", [np.asarray(array[:, :6], np.float32) for array in held]
    random = np.random.default_rng(0)
    lengths = random.integers(800, 2700, size=140)
    return "synthetic", [random.normal(size=(n, 6)).astype(np.float32) for n in lengths]


def watch_records(recordings: Sequence[npt.NDArray[np.float32]]) -> list[Record]:
    """Every recording as a key of its own, all at the same time, in the order of log times."""
    records: list[Record] = []
    span = CHUNK * SECOND // RATE
    for number, array in enumerate(recordings):
        first = START + number * SECOND // 7
        for at in range(len(array) // CHUNK):
            chunk = array[at * CHUNK : (at + 1) * CHUNK]
            time = first + at * span
            for column, stream in enumerate(STREAMS):
                payload = Payload(np.ascontiguousarray(chunk[:, 3 * column : 3 * column + 3]))
                data = write_envelope(Envelope(stream, f"watch-{number}", time, payload))
                arrived = time + span + DELAY + column
                records.append(Record(stream, 0, len(records), data, arrived=arrived))
    return sorted(records, key=lambda record: record.arrived or 0)
