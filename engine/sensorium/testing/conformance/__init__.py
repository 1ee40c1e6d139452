"""The conformance kit: what every plugin of a kind promises, as checks that it must pass.

One class adopts it, for pytest and for ``sensorium plugins test``::

    from sensorium.testing.conformance import ModalityConformance
    from sensorium_level import Level

    class TestLevel(ModalityConformance):
        plugin = Level
        payloads = (20.5, 21)

A check that need not hold is waived by its name, with the reason: ``waived = {"keeps_no_memory":
"its vocabulary grows with the stream, up to 10 MB"}``. None can be left out otherwise.
"""

from sensorium.testing.conformance._case import Conformance
from sensorium.testing.conformance._fusion import FusionConformance, check_fusion
from sensorium.testing.conformance._fusion_checks import FUSION_CHECKS
from sensorium.testing.conformance._fusion_subject import FusionSubject
from sensorium.testing.conformance._modality import ModalityConformance, check_modality
from sensorium.testing.conformance._modality_checks import MODALITY_CHECKS
from sensorium.testing.conformance._modality_subject import ModalitySubject
from sensorium.testing.conformance._observer import (
    OBSERVER_CHECKS,
    ObserverConformance,
    ObserverSubject,
)
from sensorium.testing.conformance._policy import POLICY_CHECKS, PolicyConformance
from sensorium.testing.conformance._policy_subject import PolicySubject
from sensorium.testing.conformance._report import (
    InapplicableError,
    NonconformanceError,
    Outcome,
    Report,
)
from sensorium.testing.conformance._sink import SINK_CHECKS, SinkConformance, SinkSubject
from sensorium.testing.conformance._source import SOURCE_CHECKS, SourceConformance, SourceSubject
from sensorium.testing.conformance._task import TASK_CHECKS, TaskConformance, TaskSubject

__all__ = [
    "FUSION_CHECKS",
    "MODALITY_CHECKS",
    "OBSERVER_CHECKS",
    "POLICY_CHECKS",
    "SINK_CHECKS",
    "SOURCE_CHECKS",
    "TASK_CHECKS",
    "Conformance",
    "FusionConformance",
    "FusionSubject",
    "InapplicableError",
    "ModalityConformance",
    "ModalitySubject",
    "NonconformanceError",
    "ObserverConformance",
    "ObserverSubject",
    "Outcome",
    "PolicyConformance",
    "PolicySubject",
    "Report",
    "SinkConformance",
    "SinkSubject",
    "SourceConformance",
    "SourceSubject",
    "TaskConformance",
    "TaskSubject",
    "check_fusion",
    "check_modality",
]
