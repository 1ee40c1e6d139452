"""The watch recordings of the seglearn package: people doing shoulder exercises.

Burns et al., "Shoulder physiotherapy exercise recognition", Physiological Measurement 2018
(arXiv:1802.01489). The data are part of seglearn, BSD-3-Clause.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.errors import MissingExtraError, RunError

__all__ = ["HELD_OUT", "PERIOD", "Trial", "load_trials", "split_trials"]

#: The subjects that are never trained on.
HELD_OUT: Final = (1, 4, 7, 10)
#: From one sample to the next, in ns: 50 Hz.
PERIOD: Final = 20_000_000

_SHA256: Final = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One person doing one exercise once.

    Parameters
    ----------
    key
        The name of the recording, as ``s04-PEN-013``.
    subject
        The number of the person.
    exercise
        What is done, as ``PEN``.
    accel, gyro
        float32 of shape (samples, 3), at 50 Hz.
    """

    key: str
    subject: int
    exercise: str
    accel: npt.NDArray[np.float32]
    gyro: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.accel)

    @property
    def streams(self) -> dict[str, npt.NDArray[np.float32]]:
        """The samples by stream."""
        return {"accel": self.accel, "gyro": self.gyro}


def load_trials() -> list[Trial]:
    """Read the recordings; seglearn is found, but not imported.

    Raises
    ------
    MissingExtraError
        If seglearn is not installed.
    RunError
        If its data are not those that this demo knows.
    """
    data = _load(_find())
    return [
        Trial(
            key=f"s{subject:02d}-{data['y_labels'][label]}-{number:03d}",
            subject=int(subject),
            exercise=str(data["y_labels"][label]),
            accel=np.ascontiguousarray(samples[:, :3], dtype=np.float32),
            gyro=np.ascontiguousarray(samples[:, 3:], dtype=np.float32),
        )
        for number, (samples, label, subject) in enumerate(
            zip(data["X"], data["y"], data["subject"], strict=True)
        )
    ]


def split_trials(trials: Sequence[Trial]) -> tuple[list[Trial], list[Trial]]:
    """The trials to train on, and those of the subjects held out."""
    kept = [trial for trial in trials if trial.subject not in HELD_OUT]
    return kept, [trial for trial in trials if trial.subject in HELD_OUT]


def _find() -> Path:
    spec = importlib.util.find_spec("seglearn")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("sensorium demo", "seglearn", "demo")
    return Path(spec.submodule_search_locations[0]) / "data" / "watch_dataset.npy"


def _load(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError(
            f"{path} cannot be read ({error.strerror}); "
            "reinstall it: pip install --force-reinstall seglearn"
        ) from error
    # The file is a pickle, which could run anything, so nothing but the very bytes that were
    # looked at when this was written is ever unpickled. No input of a user comes here.
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise RunError(
            f"{path} is not the watch recording that this demo knows (its SHA-256 differs), and "
            "it is not read; install the one it knows: pip install seglearn==1.2.5"
        )
    loaded: dict[str, Any] = np.load(io.BytesIO(content), allow_pickle=True).item()
    return loaded
