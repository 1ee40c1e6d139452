"""What the conformance kit tries `ecg` and `ecg-alerts` with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sensorium.testing.conformance import ModalityConformance, ObserverConformance
from sensorium_ecg import Ecg, alerts
from sensorium_ecg.synthetic import electrocardiogram

__all__ = ["TestAlerts", "TestEcg"]


class TestEcg(ModalityConformance):
    """Five seconds of a slow, a normal and a fast heart, and a flat line."""

    plugin = Ecg
    config = {"rate": 250.0}
    payloads = (
        *(
            electrocardiogram(5, 250, pulse=pulse)[0].astype(np.float32)
            for pulse in (45.0, 72.0, 130.0)
        ),
        [0] * 500,
    )


class TestAlerts(ObserverConformance):
    """A log in an empty folder."""

    plugin: ClassVar[Any] = alerts

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        """Say where the log is."""
        return {alerts.VARIABLE: folder / "alerts.jsonl"}
