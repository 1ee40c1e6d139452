"""Electrocardiograms for Sensorium: the modality `ecg`."""

from __future__ import annotations

from collections.abc import Sequence

from sensorium import Modality, hookimpl
from sensorium_ecg._beats import find_beats
from sensorium_ecg._modality import Ecg, EcgConfig
from sensorium_ecg._rhythm import RHYTHM, rhythm

__all__ = ["RHYTHM", "Ecg", "EcgConfig", "find_beats", "rhythm", "sensorium_modalities"]


@hookimpl
def sensorium_modalities() -> Sequence[type[Modality]]:
    """Register the modality."""
    return [Ecg]
