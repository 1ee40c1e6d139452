"""The kit of a modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sensorium.plugin import Modality, Payload, Weights
from sensorium.testing.conformance._case import Conformance
from sensorium.testing.conformance._modality_checks import MODALITY_CHECKS
from sensorium.testing.conformance._modality_subject import ModalitySubject

__all__ = ["ModalityConformance", "check_modality"]


class ModalityConformance(Conformance, kind="modality", checks=MODALITY_CHECKS):
    """All checks of a modality: set `plugin`, `payloads`, and `config` where it needs one.

    Attributes
    ----------
    payloads
        At least two different ones that it can decode.
    weights
        What it loads; None to start from scratch.
    """

    plugin: ClassVar[type[Modality]]
    payloads: ClassVar[Sequence[Payload | Any]] = ()
    weights: ClassVar[Weights | None] = None

    @classmethod
    def make_subject(cls, folder: Path) -> ModalitySubject:
        """The modality with its payloads."""
        return ModalitySubject(cls.plugin, cls.configure(folder), cls.payloads, cls.weights)


def check_modality(
    plugin: type[Any],
    config: Mapping[str, Any],
    payloads: Sequence[Payload | Any],
    *,
    weights: Weights | None = None,
    waived: Mapping[str, str] | None = None,
) -> None:
    """Run every check of a modality; `ModalityConformance` does it by pytest, one by one.

    Parameters
    ----------
    plugin, config, weights
        The class, its configuration as in a pipeline file, and what it loads.
    payloads
        At least two different ones that it can decode.
    waived
        Checks that need not hold, each with the reason.

    Raises
    ------
    NonconformanceError
        Saying what the plugin does that its base class does not allow.
    """
    settings = {
        "plugin": plugin,
        "config": config,
        "payloads": payloads,
        "weights": weights,
        "waived": waived or {},
    }
    adopted: type[ModalityConformance] = type(plugin.__name__, (ModalityConformance,), settings)
    adopted.require()
